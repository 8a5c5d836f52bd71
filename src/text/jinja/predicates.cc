// SPDX-License-Identifier: Apache-2.0
// The tests: what stands after "is".
#include <cmath>

#include "text/jinja/access.h"
#include "text/jinja/characters.h"
#include "text/jinja/native.h"
#include "text/jinja/operators.h"
#include "text/jinja/print.h"

namespace rotor::jinja {
namespace {

template <Kind kind>
Result<Value> is_kind(NativeCall& call) {
  return Value::boolean(call[0].is(kind));
}

template <bool expected>
Result<Value> is_constant(NativeCall& call) {
  return Value::boolean(call[0].is(Kind::kBool) && truth(call[0]) == expected);
}

template <Operator op>
Result<Value> is_ordered(NativeCall& call) {
  ROTOR_ASSIGN(const bool holds, compare(op, call[0], call[1], call.runtime()));
  return Value::boolean(holds);
}

template <int64_t remainder>
Result<Value> has_parity(NativeCall& call) {
  ROTOR_ASSIGN(const Value rest,
               arithmetic(Operator::kModulo, call[0], Value::integer(2), call.runtime()));
  ROTOR_ASSIGN(const bool same, equal(rest, Value::integer(remainder), call.budget()));
  return Value::boolean(same);
}

Result<Value> is_divisible(NativeCall& call) {
  ROTOR_ASSIGN(const Value rest, arithmetic(Operator::kModulo, call[0], call[1], call.runtime()));
  ROTOR_ASSIGN(const bool same, equal(rest, Value::integer(0), call.budget()));
  return Value::boolean(same);
}

Result<Value> is_defined(NativeCall& call) { return Value::boolean(!call[0].is(Kind::kUndefined)); }

Result<Value> is_number_value(NativeCall& call) { return Value::boolean(call[0].is_number()); }

Result<Value> is_escaped(NativeCall& call) { return Value::boolean(call[0].markup()); }

Result<Value> is_callable(NativeCall& call) {
  const Kind kind = call[0].kind();
  return Value::boolean(kind == Kind::kUndefined || kind == Kind::kMacro || kind == Kind::kNative ||
                        kind == Kind::kMethod || kind == Kind::kLoop);
}

Result<Value> is_iterable(NativeCall& call) {
  const Kind kind = call[0].kind();
  return Value::boolean(kind == Kind::kUndefined || kind == Kind::kText || kind == Kind::kDict ||
                        kind == Kind::kSequence || kind == Kind::kLoop);
}

// What has a length and items by position or key.
Result<Value> is_sequence(NativeCall& call) {
  const Kind kind = call[0].kind();
  return Value::boolean(kind == Kind::kUndefined || kind == Kind::kText || kind == Kind::kDict ||
                        (kind == Kind::kSequence && call[0].sequence().is_indexable()));
}

// Identity. Text and numbers are the same when they are equal and of one type.
Result<Value> is_same(NativeCall& call) {
  const Value& a = call[0];
  const Value& b = call[1];
  if (a.kind() != b.kind()) {
    return Value::boolean(false);
  }
  if (a.is(Kind::kSequence)) {
    return Value::boolean(&a.sequence() == &b.sequence());
  }
  if (a.is(Kind::kDict)) {
    return Value::boolean(&a.dict() == &b.dict());
  }
  ROTOR_ASSIGN(const bool same, equal(a, b, call.budget()));
  return Value::boolean(same);
}

// str.isupper() or str.islower() of str(value).
template <bool upper>
Result<Value> is_case(NativeCall& call) {
  ROTOR_ASSIGN(TextRef text, call.as_text(0));
  const Value value{Value::Data(std::move(text))};
  return call_native(call.runtime(), *find_text_method(upper ? "isupper" : "islower"), &value, {});
}

template <const Native* (*find)(std::string_view)>
Result<Value> is_known(NativeCall& call) {
  return Value::boolean(call[0].is(Kind::kText) && find(call[0].bytes()) != nullptr);
}

constexpr Native kTests[] = {
    {"boolean", is_kind<Kind::kBool>, "value"},
    {"callable", is_callable, "value"},
    {"defined", is_defined, "value"},
    {"divisibleby", is_divisible, "value num"},
    {"eq", is_ordered<Operator::kEqual>, "value other"},
    {"equalto", is_ordered<Operator::kEqual>, "value other"},
    {"escaped", is_escaped, "value"},
    {"even", has_parity<0>, "value"},
    {"false", is_constant<false>, "value"},
    {"filter", is_known<find_filter>, "value"},
    {"float", is_kind<Kind::kReal>, "value"},
    {"ge", is_ordered<Operator::kGreaterEqual>, "value other"},
    {"greaterthan", is_ordered<Operator::kGreater>, "value other"},
    {"gt", is_ordered<Operator::kGreater>, "value other"},
    {"in", is_ordered<Operator::kIn>, "value seq"},
    {"integer", is_kind<Kind::kInteger>, "value"},
    {"iterable", is_iterable, "value"},
    {"le", is_ordered<Operator::kLessEqual>, "value other"},
    {"lessthan", is_ordered<Operator::kLess>, "value other"},
    {"lower", is_case<false>, "value"},
    {"lt", is_ordered<Operator::kLess>, "value other"},
    {"mapping", is_kind<Kind::kDict>, "value"},
    {"ne", is_ordered<Operator::kNotEqual>, "value other"},
    {"none", is_kind<Kind::kNone>, "value"},
    {"number", is_number_value, "value"},
    {"odd", has_parity<1>, "value"},
    {"sameas", is_same, "value other"},
    {"sequence", is_sequence, "value"},
    {"string", is_kind<Kind::kText>, "value"},
    {"test", is_known<find_test>, "value"},
    {"true", is_constant<true>, "value"},
    {"undefined", is_kind<Kind::kUndefined>, "value"},
    {"upper", is_case<true>, "value"},
};
static_assert(is_sorted_by_name(kTests));

}  // namespace

const Native* find_test(std::string_view name) { return find_native(kTests, name); }

}  // namespace rotor::jinja
