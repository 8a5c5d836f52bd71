// SPDX-License-Identifier: Apache-2.0
// The statement half of the grammar: text, {{ output }} and the {% tags %}.
#include <algorithm>

#include "text/jinja/native.h"
#include "text/jinja/parser.h"
#include "text/unicode.h"

namespace rotor::jinja {
namespace {

StmtPtr make_stmt(StmtKind kind, size_t offset) {
  auto stmt = std::make_unique<Stmt>();
  stmt->kind = kind;
  stmt->offset = static_cast<uint32_t>(offset);
  return stmt;
}

struct Tag {
  std::string_view name;
  StmtKind kind;
};

constexpr Tag kTags[] = {
    {"set", StmtKind::kSet},        {"for", StmtKind::kFor},
    {"if", StmtKind::kIf},          {"macro", StmtKind::kMacro},
    {"call", StmtKind::kCallBlock}, {"filter", StmtKind::kFilterBlock},
    {"with", StmtKind::kWith},      {"generation", StmtKind::kScope},
    {"break", StmtKind::kBreak},    {"continue", StmtKind::kContinue},
    {"print", StmtKind::kOutput},
};

}  // namespace

// Reads up to the end of the template, or up to one of the tags `ends`, whose name is then current.
Result<Block> Parser::parse_block(std::initializer_list<std::string_view> ends) {
  Block block;
  while (current_.kind != TokenKind::kEnd) {
    const size_t offset = current_.offset;
    if (++nodes_ > kMaxNodes) {
      return fail(offset, "expected a template of at most " + std::to_string(kMaxNodes) +
                              " syntax nodes, got more");
    }
    if (current_.kind == TokenKind::kText) {
      block.push_back(make_stmt(StmtKind::kText, offset));
      block.back()->text = std::move(current_.value);
      ROTOR_TRY(advance());
      continue;
    }
    if (current_.kind == TokenKind::kOutputBegin) {
      ROTOR_ASSIGN(StmtPtr output, parse_output());
      block.push_back(std::move(output));
      continue;
    }
    ROTOR_TRY(expect(TokenKind::kBlockBegin, "text or a tag"));
    if (std::any_of(ends.begin(), ends.end(), [&](auto end) { return at_name(end); })) {
      return block;
    }
    ROTOR_ASSIGN(StmtPtr stmt, parse_statement());
    ROTOR_TRY(expect(TokenKind::kBlockEnd, "the end of the tag, %}"));
    block.push_back(std::move(stmt));
  }
  if (ends.size() == 0) {
    return block;
  }
  std::string expected;
  for (const std::string_view end : ends) {
    expected += (expected.empty() ? "{% " : " or {% ") + std::string(end) + " %}";
  }
  return unexpected(expected);
}

// The body of a tag whose own "%}" is next.
Result<Block> Parser::parse_body(std::initializer_list<std::string_view> ends) {
  const Nesting nesting(*this);
  ROTOR_TRY(enter(nesting));
  ROTOR_TRY(skip_operator(":").status());
  ROTOR_TRY(expect(TokenKind::kBlockEnd, "the end of the tag, %}"));
  return parse_block(ends);
}

Result<StmtPtr> Parser::parse_output() {
  StmtPtr stmt = make_stmt(StmtKind::kOutput, current_.offset);
  ROTOR_TRY(advance());
  ROTOR_ASSIGN(stmt->value, parse_tuple(true, false));
  ROTOR_TRY(expect(TokenKind::kOutputEnd, "an operator or }}"));
  return stmt;
}

Result<StmtPtr> Parser::parse_statement() {
  const size_t offset = current_.offset;
  ROTOR_ASSIGN(const std::string name, expect_name("the name of a tag"));
  const auto* tag = std::find_if(std::begin(kTags), std::end(kTags),
                                 [&](const Tag& known) { return known.name == name; });
  if (tag == std::end(kTags)) {
    return unsupported(describe_position(source_, offset) +
                       ": expected a tag that chat templates use, got " + printable(name));
  }
  StmtPtr stmt = make_stmt(tag->kind, offset);
  switch (tag->kind) {
    case StmtKind::kSet:
      ROTOR_TRY(parse_set(*stmt));
      break;
    case StmtKind::kFor:
      ROTOR_TRY(parse_for(*stmt));
      break;
    case StmtKind::kIf:
      ROTOR_TRY(parse_if(*stmt));
      break;
    case StmtKind::kMacro:
      ROTOR_TRY(parse_macro(*stmt));
      break;
    case StmtKind::kCallBlock:
      ROTOR_TRY(parse_call_block(*stmt));
      break;
    case StmtKind::kFilterBlock:
      ROTOR_TRY(parse_filter_block(*stmt));
      break;
    case StmtKind::kWith:
      ROTOR_TRY(parse_with(*stmt));
      break;
    case StmtKind::kScope: {
      ROTOR_ASSIGN(stmt->body, parse_body({"endgeneration"}));
      ROTOR_TRY(advance());
      break;
    }
    case StmtKind::kOutput: {
      ROTOR_ASSIGN(stmt->value, parse_expression());
      break;
    }
    default:
      if (loops_ == 0) {
        return fail(offset, "expected " + name + " inside a for block, got it outside");
      }
  }
  return stmt;
}

Status Parser::parse_set(Stmt& stmt) {
  ROTOR_ASSIGN(stmt.target, parse_target(true));
  ROTOR_ASSIGN(const bool has_value, skip_operator("="));
  if (has_value) {
    ROTOR_ASSIGN(stmt.value, parse_tuple(true, false));
    return Status();
  }
  stmt.kind = StmtKind::kSetBlock;
  ROTOR_ASSIGN(stmt.value, node(ExprKind::kCaptured, current_.offset));
  while (at_operator("|")) {
    ROTOR_ASSIGN(stmt.value, parse_filter(std::move(stmt.value)));
  }
  return parse_captured_body(stmt, "endset");
}

Status Parser::parse_for(Stmt& stmt) {
  ROTOR_ASSIGN(stmt.target, parse_target(false));
  ROTOR_ASSIGN(const bool has_in, skip_name("in"));
  if (!has_in) {
    return unexpected("'in'");
  }
  ROTOR_ASSIGN(stmt.value, parse_tuple(false, false));
  ROTOR_ASSIGN(const bool has_condition, skip_name("if"));
  if (has_condition) {
    ROTOR_ASSIGN(stmt.condition, parse_expression());
  }
  if (at_name("recursive")) {
    return unsupported(describe_position(source_, current_.offset) +
                       ": recursive for loops are not supported");
  }
  ++loops_;
  ROTOR_ASSIGN(stmt.body, parse_body({"endfor", "else"}));
  --loops_;
  ROTOR_ASSIGN(const bool has_else, skip_name("else"));
  if (has_else) {
    ROTOR_ASSIGN(stmt.otherwise, parse_body({"endfor"}));
  }
  return advance();
}

Status Parser::parse_if(Stmt& stmt) {
  for (;;) {
    Branch branch;
    ROTOR_ASSIGN(branch.condition, parse_tuple(false, false));
    ROTOR_ASSIGN(branch.body, parse_body({"elif", "else", "endif"}));
    stmt.branches.push_back(std::move(branch));
    ROTOR_ASSIGN(const bool is_elif, skip_name("elif"));
    if (!is_elif) {
      break;
    }
  }
  ROTOR_ASSIGN(const bool has_else, skip_name("else"));
  if (has_else) {
    ROTOR_ASSIGN(stmt.otherwise, parse_body({"endif"}));
  }
  return advance();
}

Status Parser::parse_macro(Stmt& stmt) {
  const size_t offset = current_.offset;
  ROTOR_ASSIGN(const std::string name, expect_name("the name of the macro"));
  ROTOR_ASSIGN(stmt.target, name_node(name, offset));
  if (!at_operator("(")) {
    return unexpected("'('");
  }
  ROTOR_TRY(parse_parameters(stmt));
  return parse_callable_body(stmt, "endmacro");
}

Status Parser::parse_call_block(Stmt& stmt) {
  if (at_operator("(")) {
    ROTOR_TRY(parse_parameters(stmt));
  }
  const size_t offset = current_.offset;
  ROTOR_ASSIGN(stmt.value, parse_expression());
  if (stmt.value->kind != ExprKind::kCall) {
    return fail(offset, "expected a call after the tag 'call', got another expression");
  }
  return parse_callable_body(stmt, "endcall");
}

// A body whose output is a value. A loop around it is not one it can break out of.
Status Parser::parse_captured_body(Stmt& stmt, std::string_view end) {
  const uint32_t outer_loops = std::exchange(loops_, 0);
  ROTOR_ASSIGN(stmt.body, parse_body({end}));
  loops_ = outer_loops;
  return advance();
}

// Also notes which special variables the body mentions.
Status Parser::parse_callable_body(Stmt& stmt, std::string_view end) {
  bool outer_mentions[4];
  std::copy(std::begin(mentions_), std::end(mentions_), outer_mentions);
  std::fill(std::begin(mentions_), std::end(mentions_), false);
  ROTOR_TRY(parse_captured_body(stmt, end));
  stmt.uses_caller = mentions_[kCallerName];
  stmt.uses_varargs = mentions_[kVarargsName];
  stmt.uses_kwargs = mentions_[kKwargsName];
  for (size_t i = 0; i < std::size(mentions_); ++i) {
    mentions_[i] = mentions_[i] || outer_mentions[i];
  }
  return Status();
}

Status Parser::parse_parameters(Stmt& stmt) {
  ROTOR_TRY(advance());
  while (!at_operator(")")) {
    if (!stmt.parameters.empty()) {
      ROTOR_TRY(expect_operator(","));
    }
    const size_t offset = current_.offset;
    Parameter parameter;
    ROTOR_ASSIGN(parameter.name, expect_name("the name of a parameter"));
    parameter.name_id = intern(parameter.name);
    ROTOR_ASSIGN(const bool has_default, skip_operator("="));
    if (has_default) {
      ROTOR_ASSIGN(parameter.default_value, parse_expression());
    } else if (!stmt.parameters.empty() && stmt.parameters.back().default_value) {
      return fail(offset, "expected a default value, as the parameter before has one");
    }
    stmt.parameters.push_back(std::move(parameter));
  }
  return advance();
}

Status Parser::parse_filter_block(Stmt& stmt) {
  ROTOR_ASSIGN(ExprPtr captured, node(ExprKind::kCaptured, current_.offset));
  ROTOR_ASSIGN(stmt.value, parse_named_filter(std::move(captured)));
  while (at_operator("|")) {
    ROTOR_ASSIGN(stmt.value, parse_filter(std::move(stmt.value)));
  }
  return parse_captured_body(stmt, "endfilter");
}

Status Parser::parse_with(Stmt& stmt) {
  while (current_.kind != TokenKind::kBlockEnd) {
    if (!stmt.bindings.empty()) {
      ROTOR_TRY(expect_operator(","));
    }
    Binding binding;
    ROTOR_ASSIGN(binding.target, parse_one_target(false));
    ROTOR_TRY(expect_operator("="));
    ROTOR_ASSIGN(binding.value, parse_expression());
    stmt.bindings.push_back(std::move(binding));
  }
  ROTOR_ASSIGN(stmt.body, parse_body({"endwith"}));
  return advance();
}

}  // namespace rotor::jinja
