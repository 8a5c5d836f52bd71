// SPDX-License-Identifier: Apache-2.0
// Python's arithmetic on numbers, text and lists. Integers have 64 bits: what would not fit is an
// error rather than a wrong number.
#include <algorithm>
#include <cmath>
#include <limits>

#include "text/jinja/format.h"
#include "text/jinja/operators.h"
#include "text/jinja/text_operations.h"

namespace rotor::jinja {
namespace {

std::string_view symbol(Operator op) {
  static constexpr std::string_view kSymbols[] = {"+", "-", "*", "/", "//", "%", "**"};
  return kSymbols[static_cast<size_t>(op)];
}

Status does_not_fit(Operator op) {
  return format_error("expected the result of " + std::string(symbol(op)) +
                      " to be an integer of 64 bits, got a larger one");
}

Status division_by_zero() { return format_error("expected a divisor other than 0, got 0"); }

Result<int64_t> integer_power(int64_t base, int64_t exponent) {
  int64_t result = 1;
  while (exponent > 0) {
    if (exponent % 2 != 0 && __builtin_mul_overflow(result, base, &result)) {
      return does_not_fit(Operator::kPower);
    }
    exponent /= 2;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) {
      return does_not_fit(Operator::kPower);
    }
  }
  return result;
}

// REQUIRES: b != 0, and not both a = -2^63 and b = -1.
int64_t floor_divide(int64_t a, int64_t b) {
  const int64_t quotient = a / b;
  return a % b != 0 && (a % b < 0) != (b < 0) ? quotient - 1 : quotient;
}

double floor_modulo(double a, double b) {
  const double remainder = std::fmod(a, b);
  if (remainder == 0) {
    return std::copysign(0.0, b);
  }
  return (remainder < 0) != (b < 0) ? remainder + b : remainder;
}

Result<Value> on_reals(Operator op, double a, double b, bool from_template) {
  const bool divides =
      op == Operator::kDivide || op == Operator::kFloorDivide || op == Operator::kModulo;
  if (divides && b == 0) {
    return division_by_zero();
  }
  switch (op) {
    case Operator::kAdd:
      return Value::real(a + b, from_template);
    case Operator::kSubtract:
      return Value::real(a - b, from_template);
    case Operator::kMultiply:
      return Value::real(a * b, from_template);
    case Operator::kDivide:
      return Value::real(a / b, from_template);
    case Operator::kFloorDivide:
      return Value::real(std::floor((a - floor_modulo(a, b)) / b + 0.5), from_template);
    case Operator::kModulo:
      return Value::real(floor_modulo(a, b), from_template);
    default:
      break;
  }
  if (a == 0 && b < 0) {
    return division_by_zero();
  }
  const double power = std::pow(a, b);
  if (std::isnan(power) && !std::isnan(a) && !std::isnan(b)) {
    return format_error("expected a real result of **, got a complex one");
  }
  if (std::isinf(power) && std::isfinite(a) && std::isfinite(b)) {
    return format_error("expected the result of ** to be a finite number, got a larger one");
  }
  return Value::real(power, from_template);
}

Result<Value> on_integers(Operator op, int64_t a, int64_t b, bool from_template) {
  int64_t result = 0;
  bool overflow = false;
  switch (op) {
    case Operator::kAdd:
      overflow = __builtin_add_overflow(a, b, &result);
      break;
    case Operator::kSubtract:
      overflow = __builtin_sub_overflow(a, b, &result);
      break;
    case Operator::kMultiply:
      overflow = __builtin_mul_overflow(a, b, &result);
      break;
    case Operator::kFloorDivide:
    case Operator::kModulo:
      if (b == 0) {
        return division_by_zero();
      }
      if (b == -1) {  // the machine's division traps on -2^63 / -1
        overflow = op == Operator::kFloorDivide && __builtin_sub_overflow(int64_t{0}, a, &result);
        break;
      }
      result = op == Operator::kFloorDivide ? floor_divide(a, b) : a - floor_divide(a, b) * b;
      break;
    case Operator::kPower:
      if (b >= 0) {
        ROTOR_ASSIGN(result, integer_power(a, b));
        break;
      }
      [[fallthrough]];
    default:
      return on_reals(op, static_cast<double>(a), static_cast<double>(b), from_template);
  }
  return overflow ? Result<Value>(does_not_fit(op)) : Value::integer(result, from_template);
}

Result<Value> add_text(Value left, const Value& right, Runtime& runtime) {
  if (left.markup() || right.markup()) {
    Text out;
    ROTOR_TRY(append_escaped(left, runtime, out));
    ROTOR_TRY(append_escaped(right, runtime, out));
    ROTOR_ASSIGN(const Value joined, runtime.make_text(std::move(out)));
    return joined.as_markup();
  }
  // A chain a + b + c grows its first temporary instead of copying it at each step.
  if (Text* own = left.exclusive_text()) {
    ROTOR_TRY(runtime.budget().allocate(right.text().size()));
    own->append(right.text());
    return left;
  }
  ROTOR_TRY(runtime.budget().allocate(left.text().size()));
  Text out = left.text();
  out.append(right.text());
  return runtime.make_text(std::move(out));
}

Result<Value> add_sequences(const Sequence& left, const Sequence& right, Runtime& runtime) {
  ROTOR_TRY(runtime.budget().step(left.items.size() + right.items.size()));
  std::vector<Value> items = left.items;
  items.insert(items.end(), right.items.begin(), right.items.end());
  return runtime.make_sequence(left.type, std::move(items));
}

// REQUIRES: the budget has paid for the bytes of the result.
Result<Value> repeat_text(const Text& text, uint64_t times, Runtime& runtime) {
  ROTOR_TRY(runtime.budget().step(times * text.spans().size() / 16));
  if (times == 0) {
    return runtime.make_text(Text());
  }
  Text out = text;
  for (uint64_t copies = 1; copies < times;) {  // doubles what there is
    const uint64_t added = std::min(copies, times - copies);
    out.append(out.slice(0, added * text.size()));
    copies += added;
  }
  return runtime.make_text(std::move(out));
}

Result<Value> repeat(const Value& value, int64_t times, Runtime& runtime) {
  const auto count = static_cast<uint64_t>(std::max<int64_t>(times, 0));
  const uint64_t size =
      value.is(Kind::kText) ? value.text().size() : value.sequence().items.size() * sizeof(Value);
  uint64_t total = 0;
  if (__builtin_mul_overflow(count, size, &total)) {
    total = std::numeric_limits<uint64_t>::max() / 2;
  }
  ROTOR_TRY(runtime.budget().allocate(total));
  const uint64_t rounds = size == 0 ? 0 : count;  // nothing repeated is nothing
  if (value.is(Kind::kText)) {
    return repeat_text(value.text(), rounds, runtime);
  }
  ROTOR_TRY(runtime.budget().step(rounds));
  std::vector<Value> items;
  for (uint64_t i = 0; i < rounds; ++i) {
    const std::vector<Value>& source = value.sequence().items;
    items.insert(items.end(), source.begin(), source.end());
  }
  return runtime.make_sequence(value.sequence().type, std::move(items));
}

bool is_list_or_tuple(const Value& value) {
  return value.is(Kind::kSequence) && (value.sequence().type == Sequence::Type::kList ||
                                       value.sequence().type == Sequence::Type::kTuple);
}

bool is_repeatable(const Value& value) { return value.is(Kind::kText) || is_list_or_tuple(value); }

}  // namespace

Result<Value> arithmetic(Operator op, Value left, const Value& right, Runtime& runtime) {
  if (left.is_number() && right.is_number()) {
    const bool from_template = left.from_template() && right.from_template();
    if (left.is(Kind::kReal) || right.is(Kind::kReal)) {
      return on_reals(op, left.real(), right.real(), from_template);
    }
    return on_integers(op, left.integer(), right.integer(), from_template);
  }
  if (op == Operator::kAdd && left.is(Kind::kText) && right.is(Kind::kText)) {
    return add_text(std::move(left), right, runtime);
  }
  if (op == Operator::kAdd && is_list_or_tuple(left) && is_list_or_tuple(right) &&
      left.sequence().type == right.sequence().type) {
    return add_sequences(left.sequence(), right.sequence(), runtime);
  }
  if (op == Operator::kMultiply && is_repeatable(left) && right.is_integer()) {
    return repeat(left, right.integer(), runtime);
  }
  if (op == Operator::kMultiply && left.is_integer() && is_repeatable(right)) {
    return repeat(right, left.integer(), runtime);
  }
  if (op == Operator::kModulo && left.is(Kind::kText)) {
    return format_percent(left, right, runtime);
  }
  return format_error("expected operands that " + std::string(symbol(op)) + " works on, got " +
                      std::string(type_name(left)) + " and " + std::string(type_name(right)));
}

Result<Value> negate(const Value& value, bool is_negative) {
  if (value.is(Kind::kReal)) {
    return Value::real(is_negative ? -value.real() : value.real(), value.from_template());
  }
  if (!value.is_integer()) {
    return format_error("expected a number after a sign, got " + std::string(type_name(value)));
  }
  return on_integers(is_negative ? Operator::kSubtract : Operator::kAdd, 0, value.integer(),
                     value.from_template());
}

}  // namespace rotor::jinja
