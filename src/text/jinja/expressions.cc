// SPDX-License-Identifier: Apache-2.0
// Expressions.
#include "text/jinja/access.h"
#include "text/jinja/machine.h"
#include "text/jinja/operators.h"
#include "text/jinja/print.h"
#include "text/unicode.h"

namespace rotor::jinja {

Result<Value> Machine::evaluate(const Expr& expr) {
  const DepthGuard depth(*this);
  if (depth.too_deep()) {
    return locate(format_error("expected macros and blocks nested less deep"), expr.offset);
  }
  ROTOR_TRY(locate(runtime_.budget().step(), expr.offset));
  return evaluate_kind(expr);
}

Result<Value> Machine::evaluate_kind(const Expr& expr) {
  switch (expr.kind) {
    case ExprKind::kLiteral:
      return expr.literal;
    case ExprKind::kName:
      return evaluate_name(expr);
    case ExprKind::kAttribute:
      return evaluate_attribute(expr);
    case ExprKind::kItem:
      return evaluate_item(expr);
    case ExprKind::kSlice:
      return evaluate_slice(expr);
    case ExprKind::kCall:
      return evaluate_call(expr, nullptr);
    case ExprKind::kFilter:
    case ExprKind::kTest:
      return evaluate_filter_or_test(expr);
    case ExprKind::kList:
      return evaluate_items(expr, Sequence::Type::kList);
    case ExprKind::kTuple:
      return evaluate_items(expr, Sequence::Type::kTuple);
    case ExprKind::kDict:
      return evaluate_dict(expr);
    case ExprKind::kNot: {
      ROTOR_ASSIGN(const Value operand, evaluate(*expr.operands[0]));
      return Value::boolean(!truth(operand), operand.from_template());
    }
    case ExprKind::kNegative:
    case ExprKind::kPositive: {
      ROTOR_ASSIGN(const Value operand, evaluate(*expr.operands[0]));
      return at(negate(operand, expr.kind == ExprKind::kNegative), expr.offset);
    }
    case ExprKind::kAnd:
    case ExprKind::kOr:
      return evaluate_logic(expr);
    case ExprKind::kArithmetic:
      return evaluate_arithmetic(expr);
    case ExprKind::kConcat:
      return evaluate_concat(expr);
    case ExprKind::kCompare:
      return evaluate_compare(expr);
    case ExprKind::kConditional:
      return evaluate_conditional(expr);
    case ExprKind::kCaptured:
      break;
  }
  return at(runtime_.make_text(std::move(captured_)), expr.offset);
}

Result<Value> Machine::evaluate_name(const Expr& expr) {
  uint64_t looked_at = 0;
  const Value* found = find(expr.name_id, looked_at);
  ROTOR_TRY(locate(runtime_.budget().step(looked_at / 16), expr.offset));
  if (found != nullptr) {
    // An undefined value explains itself by where it is used last.
    return found->is(Kind::kUndefined) ? Value::undefined(&expr) : *found;
  }
  return expr.native != nullptr ? Value(Value::Data(expr.native)) : Value::undefined(&expr);
}

Result<Value> Machine::evaluate_attribute(const Expr& expr) {
  ROTOR_ASSIGN(const Value object, evaluate(*expr.operands[0]));
  return at(get_attribute(object, expr.name, &expr, runtime_), expr.offset);
}

Result<Value> Machine::evaluate_item(const Expr& expr) {
  ROTOR_ASSIGN(const Value object, evaluate(*expr.operands[0]));
  ROTOR_ASSIGN(const Value key, evaluate(*expr.operands[1]));
  return at(get_item(object, key, &expr, runtime_), expr.offset);
}

Result<Value> Machine::evaluate_slice(const Expr& expr) {
  ROTOR_ASSIGN(const Value object, evaluate(*expr.operands[0]));
  Value bounds[3] = {Value::none(), Value::none(), Value::none()};
  for (size_t i = 0; i < 3; ++i) {
    if (expr.operands[i + 1]) {
      ROTOR_ASSIGN(bounds[i], evaluate(*expr.operands[i + 1]));
    }
  }
  return at(get_slice(object, bounds[0], bounds[1], bounds[2], runtime_), expr.offset);
}

Result<Value> Machine::evaluate_filter_or_test(const Expr& expr) {
  ROTOR_ASSIGN(const Value operand, evaluate(*expr.operands[0]));
  ROTOR_ASSIGN(const Arguments arguments, evaluate_arguments(expr.arguments));
  if (expr.native == nullptr) {
    const std::string_view what = expr.kind == ExprKind::kFilter ? "filter" : "test";
    return locate(unsupported("expected a " + std::string(what) + " that Rotor has, got " +
                              printable(expr.name)),
                  expr.offset);
  }
  return at(call_native(runtime_, *expr.native, &operand, arguments), expr.offset);
}

Result<Value> Machine::evaluate_items(const Expr& expr, Sequence::Type type) {
  std::vector<Value> items;
  items.reserve(expr.operands.size());
  for (const ExprPtr& operand : expr.operands) {
    ROTOR_ASSIGN(Value item, evaluate(*operand));
    items.push_back(std::move(item));
  }
  return at(runtime_.make_sequence(type, std::move(items)), expr.offset);
}

Result<Value> Machine::evaluate_dict(const Expr& expr) {
  Dict dict;
  for (size_t i = 0; i < expr.operands.size(); i += 2) {
    ROTOR_ASSIGN(Value key, evaluate(*expr.operands[i]));
    ROTOR_ASSIGN(Value value, evaluate(*expr.operands[i + 1]));
    ROTOR_ASSIGN(std::string code, at(encode_key(key, runtime_.budget()), expr.offset));
    dict.set(std::move(code), std::move(key), std::move(value));
  }
  return at(runtime_.make_dict(std::move(dict)), expr.offset);
}

// The first operand that settles the result, or the last.
Result<Value> Machine::evaluate_logic(const Expr& expr) {
  const bool settles = expr.kind == ExprKind::kOr;
  Value value;
  for (const ExprPtr& operand : expr.operands) {
    ROTOR_ASSIGN(value, evaluate(*operand));
    if (truth(value) == settles) {
      break;
    }
  }
  return value;
}

Result<Value> Machine::evaluate_arithmetic(const Expr& expr) {
  ROTOR_ASSIGN(Value value, evaluate(*expr.operands[0]));
  for (size_t i = 0; i < expr.operators.size(); ++i) {
    ROTOR_ASSIGN(const Value right, evaluate(*expr.operands[i + 1]));
    const bool formats = value.is(Kind::kText) && expr.operators[i] == Operator::kModulo;
    if (value.is(Kind::kUndefined) || (right.is(Kind::kUndefined) && !formats)) {
      const Value& missing = value.is(Kind::kUndefined) ? value : right;
      return locate(undefined_error(missing.origin()), expr.offset);
    }
    ROTOR_ASSIGN(value,
                 at(arithmetic(expr.operators[i], std::move(value), right, runtime_), expr.offset));
  }
  return value;
}

Result<Value> Machine::evaluate_concat(const Expr& expr) {
  Text out;
  for (const ExprPtr& operand : expr.operands) {
    ROTOR_ASSIGN(const Value value, evaluate(*operand));
    ROTOR_ASSIGN(const TextRef text, at(to_text(value, runtime_), operand->offset));
    ROTOR_TRY(locate(runtime_.budget().allocate(text->size()), expr.offset));
    out.append(*text);
  }
  return at(runtime_.make_text(std::move(out)), expr.offset);
}

Result<Value> Machine::evaluate_compare(const Expr& expr) {
  ROTOR_ASSIGN(Value left, evaluate(*expr.operands[0]));
  bool from_template = left.from_template();
  for (size_t i = 0; i < expr.operators.size(); ++i) {
    ROTOR_ASSIGN(Value right, evaluate(*expr.operands[i + 1]));
    from_template = from_template && right.from_template();
    ROTOR_ASSIGN(const bool holds,
                 at(compare(expr.operators[i], left, right, runtime_), expr.offset));
    if (!holds) {
      return Value::boolean(false, from_template);
    }
    left = std::move(right);
  }
  return Value::boolean(true, from_template);
}

Result<Value> Machine::evaluate_conditional(const Expr& expr) {
  ROTOR_ASSIGN(const Value condition, evaluate(*expr.operands[1]));
  const ExprPtr& chosen = expr.operands[truth(condition) ? 0 : 2];
  return chosen ? evaluate(*chosen) : Value::undefined(&expr);
}

}  // namespace rotor::jinja
