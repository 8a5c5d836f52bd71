// SPDX-License-Identifier: Apache-2.0
// The tightly binding half of the expression grammar: literals, subscripts, calls, filters, tests.
#include <algorithm>

#include "text/jinja/native.h"
#include "text/jinja/parser.h"
#include "text/unicode.h"

namespace rotor::jinja {

bool Parser::at_tuple_end() const {
  return current_.kind == TokenKind::kOutputEnd || current_.kind == TokenKind::kBlockEnd ||
         current_.kind == TokenKind::kEnd || at_operator(")");
}

Result<ExprPtr> Parser::parse_tuple(bool with_conditional, bool in_parentheses) {
  const size_t offset = current_.offset;
  std::vector<ExprPtr> items;
  bool is_tuple = false;
  while (!at_tuple_end()) {
    ROTOR_ASSIGN(ExprPtr item, with_conditional ? parse_expression() : parse_or());
    items.push_back(std::move(item));
    ROTOR_ASSIGN(const bool comma, skip_operator(","));
    if (!comma) {
      break;
    }
    is_tuple = true;
  }
  if (!is_tuple && !items.empty()) {
    return std::move(items[0]);
  }
  if (items.empty() && !in_parentheses) {
    return unexpected("an expression");
  }
  ROTOR_ASSIGN(ExprPtr expr, node(ExprKind::kTuple, offset));
  expr->operands = std::move(items);
  return finish(std::move(expr));
}

// A sign takes subscripts and calls before it, filters and tests after it: -x.y|abs is
// (-(x.y))|abs.
Result<ExprPtr> Parser::parse_unary() {
  ROTOR_ASSIGN(ExprPtr expr, parse_signed());
  return parse_filters_and_tests(std::move(expr));
}

Result<ExprPtr> Parser::parse_signed() {
  const bool is_negative = at_operator("-");
  if (!is_negative && !at_operator("+")) {
    ROTOR_ASSIGN(ExprPtr primary, parse_primary());
    return parse_postfix(std::move(primary));
  }
  const Nesting nesting(*this);
  ROTOR_TRY(enter(nesting));
  const size_t offset = current_.offset;
  ROTOR_TRY(advance());
  ROTOR_ASSIGN(ExprPtr operand, parse_signed());
  ROTOR_ASSIGN(ExprPtr expr, wrap(is_negative ? ExprKind::kNegative : ExprKind::kPositive, offset,
                                  std::move(operand)));
  return finish(std::move(expr));
}

Result<ExprPtr> Parser::parse_primary() {
  const size_t offset = current_.offset;
  if (at_operator("(")) {
    const Nesting nesting(*this);
    ROTOR_TRY(enter(nesting));
    ROTOR_TRY(advance());
    ROTOR_ASSIGN(ExprPtr expr, parse_tuple(true, true));
    ROTOR_TRY(expect_operator(")"));
    return expr;
  }
  if (at_operator("[")) {
    return parse_list();
  }
  if (at_operator("{")) {
    return parse_dict();
  }
  if (current_.kind == TokenKind::kString) {
    return parse_string();
  }
  if (current_.kind == TokenKind::kName) {
    const std::string name(current_.spelling);
    ROTOR_TRY(advance());
    const bool is_true = name == "true" || name == "True";
    const bool is_bool = is_true || name == "false" || name == "False";
    if (!is_bool && name != "none" && name != "None") {
      return name_node(name, offset);
    }
    ROTOR_ASSIGN(ExprPtr expr, node(ExprKind::kLiteral, offset));
    expr->literal = is_bool ? Value::boolean(is_true, true) : Value::none(true);
    return expr;
  }
  if (current_.kind == TokenKind::kInteger || current_.kind == TokenKind::kReal) {
    ROTOR_ASSIGN(ExprPtr expr, node(ExprKind::kLiteral, offset));
    expr->literal = current_.kind == TokenKind::kReal ? Value::real(current_.real, true)
                                                      : Value::integer(current_.integer, true);
    ROTOR_TRY(advance());
    return expr;
  }
  return unexpected("an expression");
}

Result<ExprPtr> Parser::parse_string() {
  ROTOR_ASSIGN(ExprPtr expr, node(ExprKind::kLiteral, current_.offset));
  std::string value;
  while (current_.kind == TokenKind::kString) {  // neighbours are one string, as in Python
    value += current_.value;
    ROTOR_TRY(advance());
  }
  expr->literal = Value::text(value, true);
  return expr;
}

Result<ExprPtr> Parser::parse_list() {
  ROTOR_ASSIGN(ExprPtr expr, node(ExprKind::kList, current_.offset));
  ROTOR_TRY(advance());
  while (!at_operator("]")) {
    if (!expr->operands.empty()) {
      ROTOR_TRY(expect_operator(","));
      if (at_operator("]")) {
        break;
      }
    }
    ROTOR_ASSIGN(ExprPtr item, parse_expression());
    expr->operands.push_back(std::move(item));
  }
  ROTOR_TRY(advance());
  return finish(std::move(expr));
}

Result<ExprPtr> Parser::parse_dict() {
  ROTOR_ASSIGN(ExprPtr expr, node(ExprKind::kDict, current_.offset));
  ROTOR_TRY(advance());
  while (!at_operator("}")) {
    if (!expr->operands.empty()) {
      ROTOR_TRY(expect_operator(","));
      if (at_operator("}")) {
        break;
      }
    }
    ROTOR_ASSIGN(ExprPtr key, parse_expression());
    expr->operands.push_back(std::move(key));
    ROTOR_TRY(expect_operator(":"));
    ROTOR_ASSIGN(ExprPtr value, parse_expression());
    expr->operands.push_back(std::move(value));
  }
  ROTOR_TRY(advance());
  return finish(std::move(expr));
}

Result<ExprPtr> Parser::parse_postfix(ExprPtr expr) {
  for (;;) {
    if (at_operator(".") || at_operator("[")) {
      ROTOR_ASSIGN(expr, parse_subscript(std::move(expr)));
    } else if (at_operator("(")) {
      ROTOR_ASSIGN(expr, parse_call(std::move(expr)));
    } else {
      return expr;
    }
  }
}

Result<ExprPtr> Parser::parse_filters_and_tests(ExprPtr expr) {
  for (;;) {
    if (at_operator("|")) {
      ROTOR_ASSIGN(expr, parse_filter(std::move(expr)));
    } else if (at_name("is")) {
      ROTOR_ASSIGN(expr, parse_test(std::move(expr)));
    } else if (at_operator("(")) {
      ROTOR_ASSIGN(expr, parse_call(std::move(expr)));
    } else {
      return expr;
    }
  }
}

Result<ExprPtr> Parser::parse_subscript(ExprPtr object) {
  const size_t offset = current_.offset;
  const bool is_dot = at_operator(".");
  ROTOR_TRY(advance());
  ROTOR_ASSIGN(ExprPtr expr,
               wrap(is_dot ? ExprKind::kAttribute : ExprKind::kItem, offset, std::move(object)));
  if (is_dot && current_.kind == TokenKind::kInteger) {
    expr->kind = ExprKind::kItem;
    ROTOR_ASSIGN(ExprPtr index, parse_primary());
    expr->operands.push_back(std::move(index));
    return finish(std::move(expr));
  }
  if (is_dot) {
    ROTOR_ASSIGN(expr->name, expect_name("a name or a number after '.'"));
    return finish(std::move(expr));
  }
  ExprPtr part;
  if (!at_operator(":")) {
    ROTOR_ASSIGN(part, parse_expression());
  }
  expr->operands.push_back(std::move(part));
  if (at_operator(":")) {
    expr->kind = ExprKind::kSlice;
    for (int i = 0; i < 2; ++i) {
      ROTOR_ASSIGN(const bool colon, skip_operator(":"));
      ExprPtr bound;
      if (colon && !at_operator(":") && !at_operator("]")) {
        ROTOR_ASSIGN(bound, parse_expression());
      }
      expr->operands.push_back(std::move(bound));
    }
  }
  ROTOR_TRY(expect_operator("]"));
  return finish(std::move(expr));
}

Result<ExprPtr> Parser::parse_call(ExprPtr callee) {
  ROTOR_ASSIGN(ExprPtr expr, wrap(ExprKind::kCall, current_.offset, std::move(callee)));
  ROTOR_TRY(parse_arguments(expr->arguments));
  return finish(std::move(expr));
}

Result<ExprPtr> Parser::parse_filter(ExprPtr operand) {
  ROTOR_TRY(advance());
  return parse_named_filter(std::move(operand));
}

Result<ExprPtr> Parser::parse_named_filter(ExprPtr operand) {
  ROTOR_ASSIGN(ExprPtr expr, wrap(ExprKind::kFilter, current_.offset, std::move(operand)));
  ROTOR_ASSIGN(expr->name, expect_name("the name of a filter"));
  expr->native = find_filter(expr->name);
  if (at_operator("(")) {
    ROTOR_TRY(parse_arguments(expr->arguments));
  }
  return finish(std::move(expr));
}

Result<ExprPtr> Parser::parse_test(ExprPtr operand) {
  const size_t offset = current_.offset;
  ROTOR_TRY(advance());
  ROTOR_ASSIGN(const bool is_negated, skip_name("not"));
  ROTOR_ASSIGN(ExprPtr expr, wrap(ExprKind::kTest, current_.offset, std::move(operand)));
  ROTOR_ASSIGN(expr->name, expect_name("the name of a test"));
  expr->native = find_test(expr->name);
  const bool is_value = current_.kind == TokenKind::kName || current_.kind == TokenKind::kString ||
                        current_.kind == TokenKind::kInteger || current_.kind == TokenKind::kReal ||
                        at_operator("[") || at_operator("{");
  if (at_operator("(")) {
    ROTOR_TRY(parse_arguments(expr->arguments));
  } else if (at_name("is")) {
    return unexpected("and, or, or parentheses between two tests");
  } else if (is_value && !at_name("else") && !at_name("or") && !at_name("and")) {
    Argument argument;
    ROTOR_ASSIGN(argument.value, parse_primary());
    ROTOR_ASSIGN(argument.value, parse_postfix(std::move(argument.value)));
    expr->arguments.push_back(std::move(argument));
  }
  ROTOR_ASSIGN(expr, finish(std::move(expr)));
  if (!is_negated) {
    return expr;
  }
  ROTOR_ASSIGN(ExprPtr negation, wrap(ExprKind::kNot, offset, std::move(expr)));
  return finish(std::move(negation));
}

Status Parser::parse_arguments(std::vector<Argument>& arguments) {
  ROTOR_TRY(advance());
  while (!at_operator(")")) {
    if (!arguments.empty()) {
      ROTOR_TRY(expect_operator(","));
      if (at_operator(")")) {
        break;
      }
    }
    const Argument::Form previous =
        arguments.empty() ? Argument::Form::kPositional : arguments.back().form;
    ROTOR_ASSIGN(Argument argument, parse_argument(previous));
    arguments.push_back(std::move(argument));
  }
  return advance();
}

// Positional arguments come first, then one *list and keywords, last one **dict.
Result<Argument> Parser::parse_argument(Argument::Form previous) {
  using Form = Argument::Form;
  const size_t offset = current_.offset;
  Argument argument;
  if (at_operator("*") || at_operator("**")) {
    argument.form = at_operator("*") ? Form::kSpread : Form::kSpreadKeywords;
    ROTOR_TRY(advance());
  } else if (current_.kind == TokenKind::kName && following_.kind == TokenKind::kOperator &&
             following_.spelling == "=") {
    argument.form = Form::kKeyword;
    argument.name = current_.spelling;
    ROTOR_TRY(advance());
    ROTOR_TRY(advance());
  }
  const bool is_in_order = argument.form == Form::kPositional ? previous == Form::kPositional
                                                              : previous != Form::kSpreadKeywords;
  if (!is_in_order) {
    return fail(offset, "expected positional arguments first and **arguments last");
  }
  ROTOR_ASSIGN(argument.value, parse_expression());
  return argument;
}

// What can be assigned to: a name, an attribute of a namespace, or a tuple of them.
Result<ExprPtr> Parser::parse_target(bool with_attribute) {
  const size_t offset = current_.offset;
  ROTOR_ASSIGN(ExprPtr first, parse_one_target(with_attribute));
  if (!at_operator(",")) {
    return first;
  }
  ROTOR_ASSIGN(ExprPtr expr, wrap(ExprKind::kTuple, offset, std::move(first)));
  while (at_operator(",")) {
    ROTOR_TRY(advance());
    if (current_.kind != TokenKind::kName && !at_operator("(")) {
      break;
    }
    if (at_name("in")) {
      break;
    }
    ROTOR_ASSIGN(ExprPtr item, parse_one_target(with_attribute));
    expr->operands.push_back(std::move(item));
  }
  return finish(std::move(expr));
}

Result<ExprPtr> Parser::parse_one_target(bool with_attribute) {
  const Nesting nesting(*this);
  ROTOR_TRY(enter(nesting));
  if (at_operator("(")) {
    ROTOR_TRY(advance());
    ROTOR_ASSIGN(ExprPtr inner, parse_target(with_attribute));
    ROTOR_TRY(expect_operator(")"));
    return inner;
  }
  const size_t offset = current_.offset;
  ROTOR_ASSIGN(const std::string name, expect_name("a name to assign to"));
  static constexpr std::string_view kConstants[] = {"true", "false", "none",
                                                    "True", "False", "None"};
  if (std::find(std::begin(kConstants), std::end(kConstants), name) != std::end(kConstants)) {
    return fail(offset, "expected a name to assign to, got the constant " + printable(name));
  }
  ROTOR_ASSIGN(ExprPtr target, name_node(name, offset));
  if (!with_attribute || !at_operator(".")) {
    return target;
  }
  ROTOR_TRY(advance());
  ROTOR_ASSIGN(ExprPtr attribute, wrap(ExprKind::kAttribute, offset, std::move(target)));
  ROTOR_ASSIGN(attribute->name, expect_name("the attribute to assign to"));
  return finish(std::move(attribute));
}

}  // namespace rotor::jinja
