// SPDX-License-Identifier: Apache-2.0
// Truth, equality, order, membership and dictionary keys.
#include "text/jinja/operators.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "text/jinja/access.h"
#include "text/jinja/characters.h"

namespace rotor::jinja {
namespace {

// Every binary64 and every int64 is exact in the long double of x86 and of AArch64, so mixed
// comparisons are exact, as they are in Python.
static_assert(sizeof(long double) > sizeof(double));
long double exact(const Value& number) {
  return number.is(Kind::kReal) ? static_cast<long double>(number.real())
                                : static_cast<long double>(number.integer());
}

Result<bool> equal_sequences(const Sequence& a, const Sequence& b, Budget& budget) {
  if (a.type != b.type || a.is_generator() || a.items.size() != b.items.size()) {
    return &a == &b;
  }
  for (size_t i = 0; i < a.items.size(); ++i) {
    ROTOR_ASSIGN(const bool same, equal(a.items[i], b.items[i], budget));
    if (!same) {
      return false;
    }
  }
  return true;
}

Result<bool> equal_dicts(const Dict& a, const Dict& b, Budget& budget) {
  if (a.size() != b.size()) {
    return false;
  }
  for (const Dict::Entry& entry : a.entries()) {
    ROTOR_ASSIGN(const std::string code, encode_key(entry.key, budget));
    const Value* other = b.find(code);
    if (other == nullptr) {
      return false;
    }
    ROTOR_ASSIGN(const bool same, equal(entry.value, *other, budget));
    if (!same) {
      return false;
    }
  }
  return true;
}

Result<bool> less_sequences(const Sequence& a, const Sequence& b, Budget& budget) {
  const size_t common = std::min(a.items.size(), b.items.size());
  for (size_t i = 0; i < common; ++i) {
    ROTOR_ASSIGN(const bool same, equal(a.items[i], b.items[i], budget));
    if (!same) {
      return less(a.items[i], b.items[i], budget);
    }
  }
  return a.items.size() < b.items.size();
}

}  // namespace

bool truth(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
    case Kind::kInteger:
      return value.integer() != 0;
    case Kind::kReal:
      return value.real() != 0;
    case Kind::kText:
      return !value.text().empty();
    case Kind::kSequence:
      return value.sequence().is_generator() || !value.sequence().items.empty();
    case Kind::kDict:
      return value.dict().size() != 0;
    default:
      return true;
  }
}

Result<bool> equal(const Value& a, const Value& b, Budget& budget) {
  ROTOR_TRY(budget.step());
  if (a.is_number() && b.is_number()) {
    return exact(a) == exact(b);
  }
  if (a.kind() != b.kind()) {
    return false;
  }
  switch (a.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kText: {
      ROTOR_TRY(budget.scan(std::min(a.text().size(), b.text().size())));
      return a.bytes() == b.bytes();
    }
    case Kind::kSequence:
      return equal_sequences(a.sequence(), b.sequence(), budget);
    case Kind::kDict:
      return equal_dicts(a.dict(), b.dict(), budget);
    case Kind::kNamespace:
      return &a.name_space() == &b.name_space();
    case Kind::kLoop:
      return &a.loop() == &b.loop();
    case Kind::kMacro:
      return &a.macro() == &b.macro();
    case Kind::kNative:
      return &a.native() == &b.native();
    default:
      return &a.method() == &b.method();
  }
}

Result<bool> less(const Value& a, const Value& b, Budget& budget) {
  ROTOR_TRY(budget.step());
  if (a.is_number() && b.is_number()) {
    return exact(a) < exact(b);
  }
  if (a.is(Kind::kText) && b.is(Kind::kText)) {
    // The order of UTF-8 bytes is the order of code points.
    ROTOR_TRY(budget.scan(std::min(a.text().size(), b.text().size())));
    return a.bytes() < b.bytes();
  }
  using Type = Sequence::Type;
  if (a.is(Kind::kSequence) && b.is(Kind::kSequence) && a.sequence().type == b.sequence().type &&
      (a.sequence().type == Type::kList || a.sequence().type == Type::kTuple)) {
    return less_sequences(a.sequence(), b.sequence(), budget);
  }
  return format_error("expected two values of one ordered type, got " + std::string(type_name(a)) +
                      " and " + std::string(type_name(b)));
}

Result<bool> contains(const Value& container, const Value& item, Runtime& runtime) {
  Budget& budget = runtime.budget();
  if (container.is(Kind::kText)) {
    if (!item.is(Kind::kText)) {
      return format_error("expected str to look for in a str, got " + std::string(type_name(item)));
    }
    ROTOR_TRY(budget.scan(container.text().size() + item.text().size()));
    return find_bytes(container.bytes(), item.bytes(), 0) != std::string_view::npos;
  }
  if (container.is(Kind::kDict)) {
    ROTOR_ASSIGN(const std::string code, encode_key(item, budget));
    return container.dict().find(code) != nullptr;
  }
  ROTOR_ASSIGN(const SequenceRef items, iterate(container, runtime));
  for (const Value& candidate : items->items) {
    ROTOR_ASSIGN(const bool same, equal(candidate, item, budget));
    if (same) {
      return true;
    }
  }
  return false;
}

Result<bool> compare(Operator op, const Value& a, const Value& b, Runtime& runtime) {
  Budget& budget = runtime.budget();
  switch (op) {
    case Operator::kEqual:
      return equal(a, b, budget);
    case Operator::kNotEqual: {
      ROTOR_ASSIGN(const bool same, equal(a, b, budget));
      return !same;
    }
    case Operator::kLess:
      return less(a, b, budget);
    case Operator::kGreater:
      return less(b, a, budget);
    case Operator::kLessEqual:
    case Operator::kGreaterEqual: {
      // Not the opposite of the other order: neither holds for a NaN.
      const bool is_less = op == Operator::kLessEqual;
      ROTOR_ASSIGN(const bool ordered, is_less ? less(a, b, budget) : less(b, a, budget));
      return ordered ? Result<bool>(true) : equal(a, b, budget);
    }
    case Operator::kIn:
      return contains(b, a, runtime);
    default: {
      ROTOR_ASSIGN(const bool found, contains(b, a, runtime));
      return !found;
    }
  }
}

Result<std::string> encode_key(const Value& key, Budget& budget) {
  ROTOR_TRY(budget.step());
  switch (key.kind()) {
    case Kind::kText: {
      ROTOR_TRY(budget.allocate(key.text().size()));
      return std::string(key.bytes());
    }
    case Kind::kUndefined:
      return std::string("\xFFu");
    case Kind::kNone:
      return std::string("\xFFn");
    case Kind::kBool:
    case Kind::kInteger:
      return "\xFFi" + std::to_string(key.integer());
    case Kind::kReal: {
      const double real = key.real();
      if (real == std::floor(real) && std::abs(real) < 0x1p63) {
        return "\xFFi" + std::to_string(static_cast<int64_t>(real));
      }
      return "\xFFr" + std::to_string(std::bit_cast<uint64_t>(real));
    }
    case Kind::kSequence: {
      if (key.sequence().type != Sequence::Type::kTuple) {
        break;
      }
      std::string code = "\xFFt";
      for (const Value& item : key.sequence().items) {
        ROTOR_ASSIGN(const std::string part, encode_key(item, budget));
        ROTOR_TRY(budget.allocate(part.size()));
        code += std::to_string(part.size()) + ":" + part;
      }
      return code;
    }
    default:
      break;
  }
  return format_error("expected a hashable key, got " + std::string(type_name(key)));
}

}  // namespace rotor::jinja
