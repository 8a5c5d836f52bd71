// SPDX-License-Identifier: Apache-2.0
// Tokens, nodes and the binary operators; statement_parser.cc and primary_parser.cc hold the rest.
#include "text/jinja/parser.h"

#include <algorithm>

#include "text/jinja/native.h"
#include "text/unicode.h"

namespace rotor::jinja {

Result<Program> Parser::parse(std::string_view source) {
  if (source.size() > kMaxSourceBytes) {
    return format_error("expected a chat template of at most " + std::to_string(kMaxSourceBytes) +
                        " bytes, got " + std::to_string(source.size()));
  }
  if (const size_t valid = valid_utf8_prefix(source); valid != source.size()) {
    return format_error("expected a chat template in UTF-8, got an invalid byte at offset " +
                        std::to_string(valid));
  }
  Program program;
  program.source = normalize_newlines(source);
  Parser parser(program.source);
  ROTOR_TRY(parser.parse_program(program));
  return program;
}

Status Parser::parse_program(Program& program) {
  for (const char* name : {"loop", "caller", "varargs", "kwargs"}) {  // as in SpecialName
    intern(name);
  }
  ROTOR_TRY(advance());
  ROTOR_TRY(advance());
  ROTOR_ASSIGN(program.body, parse_block({}));
  program.names = std::move(names_);
  return Status();
}

Status Parser::advance() {
  current_ = std::move(following_);
  ROTOR_ASSIGN(following_, lexer_.next());
  return Status();
}

bool Parser::at_operator(std::string_view spelling) const {
  return current_.kind == TokenKind::kOperator && current_.spelling == spelling;
}

bool Parser::at_name(std::string_view name) const {
  return current_.kind == TokenKind::kName && current_.spelling == name;
}

Result<bool> Parser::skip_operator(std::string_view spelling) {
  if (!at_operator(spelling)) {
    return false;
  }
  ROTOR_TRY(advance());
  return true;
}

Result<bool> Parser::skip_name(std::string_view name) {
  if (!at_name(name)) {
    return false;
  }
  ROTOR_TRY(advance());
  return true;
}

Status Parser::expect(TokenKind kind, std::string_view what) {
  return current_.kind == kind ? advance() : unexpected(what);
}

Status Parser::expect_operator(std::string_view spelling) {
  return at_operator(spelling) ? advance() : unexpected("'" + std::string(spelling) + "'");
}

Result<std::string> Parser::expect_name(std::string_view what) {
  std::string name(current_.spelling);
  ROTOR_TRY(expect(TokenKind::kName, what));
  return name;
}

Status Parser::fail(size_t offset, std::string message) const {
  return format_error(describe_position(source_, offset) + ": " + std::move(message));
}

Status Parser::unexpected(std::string_view expected) const {
  std::string got = "the end of the template";
  switch (current_.kind) {
    case TokenKind::kEnd:
      break;
    case TokenKind::kText:
      got = "text";
      break;
    case TokenKind::kString:
      got = "the string " + printable(current_.value);
      break;
    case TokenKind::kBlockEnd:
      got = "the end of the tag";
      break;
    case TokenKind::kOutputEnd:
      got = "}}";
      break;
    default:
      got = printable(current_.spelling);
  }
  return fail(current_.offset, "expected " + std::string(expected) + ", got " + got);
}

Status Parser::enter(const Nesting& /*nesting*/) const {
  if (nesting_ <= kMaxTreeDepth) {
    return Status();
  }
  return fail(current_.offset, "expected nesting of at most " + std::to_string(kMaxTreeDepth) +
                                   " levels, got a deeper one");
}

Result<ExprPtr> Parser::node(ExprKind kind, size_t offset) {
  if (++nodes_ > kMaxNodes) {
    return fail(offset, "expected a template of at most " + std::to_string(kMaxNodes) +
                            " syntax nodes, got more");
  }
  auto expr = std::make_unique<Expr>();
  expr->kind = kind;
  expr->offset = static_cast<uint32_t>(offset);
  return expr;
}

Result<ExprPtr> Parser::wrap(ExprKind kind, size_t offset, ExprPtr operand) {
  ROTOR_ASSIGN(ExprPtr expr, node(kind, offset));
  expr->operands.push_back(std::move(operand));
  return expr;
}

Result<ExprPtr> Parser::finish(ExprPtr expr) {
  uint32_t deepest = 0;
  for (const ExprPtr& operand : expr->operands) {
    deepest = std::max(deepest, operand ? operand->depth : 0);
  }
  for (const Argument& argument : expr->arguments) {
    deepest = std::max(deepest, argument.value->depth);
  }
  expr->depth = deepest + 1;
  if (expr->depth > kMaxTreeDepth) {
    return fail(expr->offset, "expected an expression of at most " + std::to_string(kMaxTreeDepth) +
                                  " levels, got a deeper one");
  }
  return expr;
}

uint32_t Parser::intern(const std::string& name) {
  const auto [found, inserted] = name_ids_.try_emplace(name, static_cast<uint32_t>(names_.size()));
  if (inserted) {
    names_.push_back(name);
  }
  return found->second;
}

Result<ExprPtr> Parser::name_node(const std::string& name, size_t offset) {
  ROTOR_ASSIGN(ExprPtr expr, node(ExprKind::kName, offset));
  expr->name = name;
  expr->name_id = intern(name);
  expr->native = find_function(name);
  if (expr->name_id <= kKwargsName) {
    mentions_[expr->name_id] = true;
  }
  return expr;
}

Result<ExprPtr> Parser::parse_expression() {
  const Nesting nesting(*this);
  ROTOR_TRY(enter(nesting));
  return parse_conditional();
}

Result<ExprPtr> Parser::parse_conditional() {
  ROTOR_ASSIGN(ExprPtr value, parse_or());
  while (at_name("if")) {
    const size_t offset = current_.offset;
    ROTOR_TRY(advance());
    ROTOR_ASSIGN(ExprPtr expr, wrap(ExprKind::kConditional, offset, std::move(value)));
    ROTOR_ASSIGN(ExprPtr condition, parse_or());
    expr->operands.push_back(std::move(condition));
    ROTOR_ASSIGN(const bool has_else, skip_name("else"));
    ExprPtr otherwise;
    if (has_else) {
      ROTOR_ASSIGN(otherwise, parse_expression());
    }
    expr->operands.push_back(std::move(otherwise));
    ROTOR_ASSIGN(value, finish(std::move(expr)));
  }
  return value;
}

// Operands of one precedence, parted by a word or an operator, become one node however many there
// are, so that long chains do not make deep trees.
Result<ExprPtr> Parser::parse_joined(ExprKind kind, std::string_view joint, Rule next) {
  ROTOR_ASSIGN(ExprPtr first, (this->*next)());
  if (!at_name(joint) && !at_operator(joint)) {
    return first;
  }
  ROTOR_ASSIGN(ExprPtr expr, wrap(kind, current_.offset, std::move(first)));
  while (at_name(joint) || at_operator(joint)) {
    ROTOR_TRY(advance());
    ROTOR_ASSIGN(ExprPtr operand, (this->*next)());
    expr->operands.push_back(std::move(operand));
  }
  return finish(std::move(expr));
}

Result<ExprPtr> Parser::parse_or() { return parse_joined(ExprKind::kOr, "or", &Parser::parse_and); }
Result<ExprPtr> Parser::parse_and() {
  return parse_joined(ExprKind::kAnd, "and", &Parser::parse_not);
}
Result<ExprPtr> Parser::parse_concat() {
  return parse_joined(ExprKind::kConcat, "~", &Parser::parse_product);
}

Result<ExprPtr> Parser::parse_not() {
  if (!at_name("not")) {
    return parse_compare();
  }
  const Nesting nesting(*this);
  ROTOR_TRY(enter(nesting));
  const size_t offset = current_.offset;
  ROTOR_TRY(advance());
  ROTOR_ASSIGN(ExprPtr operand, parse_not());
  ROTOR_ASSIGN(ExprPtr expr, wrap(ExprKind::kNot, offset, std::move(operand)));
  return finish(std::move(expr));
}

namespace {

constexpr Spelling kComparisons[] = {{"==", Operator::kEqual},  {"!=", Operator::kNotEqual},
                                     {"<", Operator::kLess},    {"<=", Operator::kLessEqual},
                                     {">", Operator::kGreater}, {">=", Operator::kGreaterEqual}};
constexpr Spelling kSums[] = {{"+", Operator::kAdd}, {"-", Operator::kSubtract}};
constexpr Spelling kProducts[] = {{"*", Operator::kMultiply},
                                  {"/", Operator::kDivide},
                                  {"//", Operator::kFloorDivide},
                                  {"%", Operator::kModulo}};
constexpr Spelling kPowers[] = {{"**", Operator::kPower}};

const Spelling* find_spelling(std::span<const Spelling> spellings, const Token& token) {
  for (const Spelling& spelling : spellings) {
    if (token.kind == TokenKind::kOperator && token.spelling == spelling.text) {
      return &spelling;
    }
  }
  return nullptr;
}

}  // namespace

Result<ExprPtr> Parser::parse_compare() {
  ROTOR_ASSIGN(ExprPtr expr, parse_sum());
  bool is_chain = false;
  for (;;) {
    const Spelling* found = find_spelling(kComparisons, current_);
    const bool is_not_in =
        at_name("not") && following_.kind == TokenKind::kName && following_.spelling == "in";
    if (found == nullptr && !is_not_in && !at_name("in")) {
      break;
    }
    if (!is_chain) {
      ROTOR_ASSIGN(expr, wrap(ExprKind::kCompare, current_.offset, std::move(expr)));
      is_chain = true;
    }
    expr->operators.push_back(found != nullptr ? found->meaning
                              : is_not_in      ? Operator::kNotIn
                                               : Operator::kIn);
    if (is_not_in) {
      ROTOR_TRY(advance());
    }
    ROTOR_TRY(advance());
    ROTOR_ASSIGN(ExprPtr operand, parse_sum());
    expr->operands.push_back(std::move(operand));
  }
  return is_chain ? finish(std::move(expr)) : std::move(expr);
}

Result<ExprPtr> Parser::parse_arithmetic(std::span<const Spelling> spellings, Rule next) {
  ROTOR_ASSIGN(ExprPtr first, (this->*next)());
  const Spelling* found = find_spelling(spellings, current_);
  if (found == nullptr) {
    return first;
  }
  ROTOR_ASSIGN(ExprPtr expr, wrap(ExprKind::kArithmetic, current_.offset, std::move(first)));
  for (; found != nullptr; found = find_spelling(spellings, current_)) {
    expr->operators.push_back(found->meaning);
    ROTOR_TRY(advance());
    ROTOR_ASSIGN(ExprPtr operand, (this->*next)());
    expr->operands.push_back(std::move(operand));
  }
  return finish(std::move(expr));
}

Result<ExprPtr> Parser::parse_sum() { return parse_arithmetic(kSums, &Parser::parse_concat); }
Result<ExprPtr> Parser::parse_product() {
  return parse_arithmetic(kProducts, &Parser::parse_power);
}
Result<ExprPtr> Parser::parse_power() { return parse_arithmetic(kPowers, &Parser::parse_unary); }

}  // namespace rotor::jinja
