// SPDX-License-Identifier: Apache-2.0
// The filters on lists, dicts and whatever can be gone through.
#include <algorithm>
#include <set>

#include "text/jinja/access.h"
#include "text/jinja/attribute_path.h"
#include "text/jinja/native.h"
#include "text/jinja/operators.h"
#include "text/jinja/print.h"
#include "text/jinja/text_operations.h"
#include "text/unicode.h"

namespace rotor::jinja {
namespace {

using Type = Sequence::Type;

Result<Value> length_filter(NativeCall& call) {
  ROTOR_ASSIGN(const int64_t size, length(call[0], call.runtime()));
  return Value::integer(size);
}

Result<Value> list_filter(NativeCall& call) {
  ROTOR_ASSIGN(const SequenceRef items, iterate(call[0], call.runtime()));
  return call.runtime().make_sequence(Type::kList, items->items);
}

Result<Value> items_filter(NativeCall& call) {
  std::vector<Value> pairs;
  if (call[0].is(Kind::kDict)) {
    for (const Dict::Entry& entry : call[0].dict().entries()) {
      ROTOR_ASSIGN(Value pair,
                   call.runtime().make_sequence(Type::kTuple, {entry.key, entry.value}));
      pairs.push_back(std::move(pair));
    }
  } else if (!call[0].is(Kind::kUndefined)) {
    return call.wrong_type(0, "dict");
  }
  return call.runtime().make_sequence(Type::kGenerator, std::move(pairs));
}

Result<Value> first_filter(NativeCall& call) {
  ROTOR_ASSIGN(const SequenceRef items, iterate(call[0], call.runtime()));
  return items->items.empty() ? Value() : items->items.front();
}

Result<Value> last_filter(NativeCall& call) {
  if (call[0].is(Kind::kSequence) && call[0].sequence().is_generator()) {
    return call.wrong_type(0, "a list");
  }
  ROTOR_ASSIGN(const SequenceRef items, iterate(call[0], call.runtime()));
  return items->items.empty() ? Value() : items->items.back();
}

Result<Value> reverse_filter(NativeCall& call) {
  if (call[0].is(Kind::kText)) {
    return get_slice(call[0], Value::none(), Value::none(), Value::integer(-1), call.runtime());
  }
  ROTOR_ASSIGN(const SequenceRef items, iterate(call[0], call.runtime()));
  std::vector<Value> reversed(items->items.rbegin(), items->items.rend());
  return call.runtime().make_sequence(Type::kGenerator, std::move(reversed));
}

Result<Value> join_filter(NativeCall& call) {
  ROTOR_ASSIGN(const SequenceRef items, iterate(call[0], call.runtime()));
  ROTOR_ASSIGN(const AttributePath path, AttributePath::parse(call, 2));
  TextRef separator = std::make_shared<const Text>();
  if (call.has(1)) {
    ROTOR_ASSIGN(separator, call.as_text(1));
  }
  Text out;
  for (size_t i = 0; i < items->items.size(); ++i) {
    ROTOR_ASSIGN(const Value item, path.get(items->items[i], call.runtime()));
    ROTOR_ASSIGN(const TextRef text, to_text(item, call.runtime()));
    ROTOR_TRY(call.budget().step());
    ROTOR_TRY(call.budget().allocate(text->size() + separator->size()));
    if (i > 0) {
      out.append(*separator);
    }
    out.append(*text);
  }
  return call.runtime().make_text(std::move(out));
}

Result<Value> default_filter(NativeCall& call) {
  ROTOR_ASSIGN(const bool also_false, call.truth(2, false));
  const bool is_missing = call[0].is(Kind::kUndefined) || (also_false && !truth(call[0]));
  return !is_missing ? call[0] : call.has(1) ? call[1] : Value::text("", true);
}

Result<Value> sum_filter(NativeCall& call) {
  ROTOR_ASSIGN(const SequenceRef items, iterate(call[0], call.runtime()));
  ROTOR_ASSIGN(const AttributePath path, AttributePath::parse(call, 1));
  Value sum = call.has(2) ? call[2] : Value::integer(0, true);
  if (sum.is(Kind::kText)) {
    return call.wrong_type(2, "a number or a list, not str");
  }
  for (const Value& item : items->items) {
    ROTOR_ASSIGN(const Value term, path.get(item, call.runtime()));
    ROTOR_TRY(call.budget().step());
    ROTOR_ASSIGN(sum, arithmetic(Operator::kAdd, std::move(sum), term, call.runtime()));
  }
  return sum;
}

// Text in lower case unless case matters; all else as it is.
Result<Value> fold_case(Value value, bool case_sensitive, Runtime& runtime) {
  if (case_sensitive || !value.is(Kind::kText)) {
    return value;
  }
  ROTOR_ASSIGN(Text lower, change_case(value.text(), Case::kLower, runtime.budget()));
  return runtime.make_text(std::move(lower));
}

struct Keyed {
  Value key;
  Value item;
};

Status stable_sort(std::vector<Keyed>& items, bool reverse, Budget& budget) {
  Status failure;
  // std::stable_sort merges, so a comparison that has given up cannot lead it out of bounds.
  std::stable_sort(items.begin(), items.end(), [&](const Keyed& a, const Keyed& b) {
    if (!failure.ok()) {
      return false;
    }
    const Result<bool> is_less = reverse ? less(b.key, a.key, budget) : less(a.key, b.key, budget);
    if (!is_less.ok()) {
      failure = is_less.status();
    }
    return is_less.ok() && *is_less;
  });
  return failure;
}

Result<Value> sorted_list(NativeCall& call, std::vector<Keyed> items, bool reverse) {
  ROTOR_TRY(call.budget().allocate(items.size() * sizeof(Keyed)));
  ROTOR_TRY(stable_sort(items, reverse, call.budget()));
  std::vector<Value> sorted;
  for (Keyed& item : items) {
    sorted.push_back(std::move(item.item));
  }
  return call.runtime().make_sequence(Type::kList, std::move(sorted));
}

// value, reverse, case_sensitive, attribute
Result<Value> sort_filter(NativeCall& call) {
  ROTOR_ASSIGN(const SequenceRef items, iterate(call[0], call.runtime()));
  ROTOR_ASSIGN(const bool reverse, call.truth(1, false));
  ROTOR_ASSIGN(const bool case_sensitive, call.truth(2, false));
  ROTOR_ASSIGN(const std::vector<AttributePath> paths, AttributePath::parse_several(call, 3));
  std::vector<Keyed> keyed;
  for (const Value& item : items->items) {
    std::vector<Value> keys;
    for (const AttributePath& path : paths) {
      ROTOR_ASSIGN(Value key, path.get(item, call.runtime()));
      ROTOR_ASSIGN(key, fold_case(std::move(key), case_sensitive, call.runtime()));
      keys.push_back(std::move(key));
    }
    ROTOR_ASSIGN(Value key, call.runtime().make_sequence(Type::kTuple, std::move(keys)));
    keyed.push_back({std::move(key), item});
  }
  return sorted_list(call, std::move(keyed), reverse);
}

// value, case_sensitive, by, reverse
Result<Value> dictsort_filter(NativeCall& call) {
  if (!call[0].is(Kind::kDict)) {
    return call.wrong_type(0, "dict");
  }
  ROTOR_ASSIGN(const bool case_sensitive, call.truth(1, false));
  ROTOR_ASSIGN(const TextRef by, call.text(2));
  ROTOR_ASSIGN(const bool reverse, call.truth(3, false));
  if (by != nullptr && by->bytes() != "key" && by->bytes() != "value") {
    return call.fail("expected to sort by key or value, got " + printable(by->bytes()));
  }
  const bool by_value = by != nullptr && by->bytes() == "value";
  std::vector<Keyed> keyed;
  for (const Dict::Entry& entry : call[0].dict().entries()) {
    ROTOR_ASSIGN(Value key,
                 fold_case(by_value ? entry.value : entry.key, case_sensitive, call.runtime()));
    ROTOR_ASSIGN(Value pair, call.runtime().make_sequence(Type::kTuple, {entry.key, entry.value}));
    keyed.push_back({std::move(key), std::move(pair)});
  }
  return sorted_list(call, std::move(keyed), reverse);
}

// value, case_sensitive, attribute
template <bool wants_largest>
Result<Value> extreme_filter(NativeCall& call) {
  ROTOR_ASSIGN(const SequenceRef items, iterate(call[0], call.runtime()));
  ROTOR_ASSIGN(const bool case_sensitive, call.truth(1, false));
  ROTOR_ASSIGN(const AttributePath path, AttributePath::parse(call, 2));
  const Value* best = nullptr;
  Value best_key;
  for (const Value& item : items->items) {
    ROTOR_ASSIGN(Value key, path.get(item, call.runtime()));
    ROTOR_ASSIGN(key, fold_case(std::move(key), case_sensitive, call.runtime()));
    if (best != nullptr) {
      ROTOR_ASSIGN(const bool better, wants_largest ? less(best_key, key, call.budget())
                                                    : less(key, best_key, call.budget()));
      if (!better) {
        continue;
      }
    }
    best = &item;
    best_key = std::move(key);
  }
  return best != nullptr ? *best : Value();
}

// value, case_sensitive, attribute
Result<Value> unique_filter(NativeCall& call) {
  ROTOR_ASSIGN(const SequenceRef items, iterate(call[0], call.runtime()));
  ROTOR_ASSIGN(const bool case_sensitive, call.truth(1, false));
  ROTOR_ASSIGN(const AttributePath path, AttributePath::parse(call, 2));
  std::set<std::string> seen;
  std::vector<Value> unique;
  for (const Value& item : items->items) {
    ROTOR_ASSIGN(Value key, path.get(item, call.runtime()));
    ROTOR_ASSIGN(key, fold_case(std::move(key), case_sensitive, call.runtime()));
    ROTOR_ASSIGN(std::string code, encode_key(key, call.budget()));
    if (seen.insert(std::move(code)).second) {
      unique.push_back(item);
    }
  }
  return call.runtime().make_sequence(Type::kGenerator, std::move(unique));
}

// value, linecount, fill_with
Result<Value> batch_filter(NativeCall& call) {
  ROTOR_ASSIGN(const SequenceRef items, iterate(call[0], call.runtime()));
  ROTOR_ASSIGN(const int64_t size, call.integer(1, 1));
  if (size < 1) {
    return call.fail("expected at least 1 element in a batch");
  }
  std::vector<Value> batches;
  for (size_t begin = 0; begin < items->items.size(); begin += static_cast<size_t>(size)) {
    const size_t end = std::min(items->items.size() - begin, static_cast<size_t>(size)) + begin;
    std::vector<Value> batch(items->items.begin() + static_cast<ptrdiff_t>(begin),
                             items->items.begin() + static_cast<ptrdiff_t>(end));
    if (call.has(2) && !call[2].is(Kind::kNone)) {
      ROTOR_TRY(call.budget().allocate((static_cast<size_t>(size) - batch.size()) * sizeof(Value)));
      batch.resize(static_cast<size_t>(size), call[2]);
    }
    ROTOR_ASSIGN(Value list, call.runtime().make_sequence(Type::kList, std::move(batch)));
    batches.push_back(std::move(list));
  }
  return call.runtime().make_sequence(Type::kGenerator, std::move(batches));
}

Result<Value> attr_filter(NativeCall& call) {
  if (call[0].is(Kind::kDict) || !call[1].is(Kind::kText)) {
    // A dict's items are no attributes; its methods are reached by name alone.
    return Value();
  }
  return get_attribute(call[0], call[1].bytes(), nullptr, call.runtime());
}

// Applies a filter or test to one element, with the arguments that follow from `skipped` on.
Result<Value> apply(NativeCall& call, const Native& native, const Value& item, size_t skipped) {
  Arguments arguments;
  arguments.positional.assign(call.rest().begin() + static_cast<ptrdiff_t>(skipped),
                              call.rest().end());
  arguments.keywords.assign(call.rest_keywords().begin(), call.rest_keywords().end());
  ROTOR_TRY(call.budget().step(1 + arguments.positional.size()));
  return call_native(call.runtime(), native, &item, arguments);
}

// value|map('filter', arguments...) or value|map(attribute=..., default=...)
Result<Value> map_filter(NativeCall& call) {
  ROTOR_ASSIGN(const SequenceRef items, iterate(call[0], call.runtime()));
  std::vector<Value> mapped;
  if (call.rest().empty()) {
    const auto find = [&](std::string_view name) -> const Value* {
      for (const Keyword& keyword : call.rest_keywords()) {
        if (keyword.name == name) {
          return &keyword.value;
        }
      }
      return nullptr;
    };
    const Value* attribute = find("attribute");
    if (attribute == nullptr) {
      return call.fail("expected the name of a filter or attribute=...");
    }
    const Value* fallback = find("default");
    ROTOR_ASSIGN(const AttributePath path, AttributePath::parse(*attribute, call.budget()));
    for (const Value& item : items->items) {
      ROTOR_ASSIGN(Value value, path.get(item, call.runtime(), fallback));
      mapped.push_back(std::move(value));
    }
    return call.runtime().make_sequence(Type::kGenerator, std::move(mapped));
  }
  const Native* filter =
      call.rest()[0].is(Kind::kText) ? find_filter(call.rest()[0].bytes()) : nullptr;
  if (filter == nullptr) {
    return call.fail("expected the name of a filter that Rotor has");
  }
  for (const Value& item : items->items) {
    ROTOR_ASSIGN(Value value, apply(call, *filter, item, 1));
    mapped.push_back(std::move(value));
  }
  return call.runtime().make_sequence(Type::kGenerator, std::move(mapped));
}

// value|select('test', arguments...), value|selectattr('attribute', 'test', arguments...)
template <bool keeps, bool by_attribute>
Result<Value> select_filter(NativeCall& call) {
  ROTOR_ASSIGN(const SequenceRef items, iterate(call[0], call.runtime()));
  constexpr size_t kSkipped = by_attribute ? 1 : 0;
  if (call.rest().size() < kSkipped) {
    return call.fail("expected the name of an attribute");
  }
  ROTOR_ASSIGN(const AttributePath path, by_attribute
                                             ? AttributePath::parse(call.rest()[0], call.budget())
                                             : Result<AttributePath>(AttributePath()));
  const Native* test = nullptr;
  if (call.rest().size() > kSkipped) {
    const Value& name = call.rest()[kSkipped];
    test = name.is(Kind::kText) ? find_test(name.bytes()) : nullptr;
    if (test == nullptr) {
      return call.fail("expected the name of a test that Rotor has");
    }
  }
  std::vector<Value> selected;
  for (const Value& item : items->items) {
    ROTOR_ASSIGN(Value tested, path.get(item, call.runtime()));
    if (test != nullptr) {
      ROTOR_ASSIGN(tested, apply(call, *test, tested, kSkipped + 1));
    }
    ROTOR_TRY(call.budget().step());
    if (truth(tested) == keeps) {
      selected.push_back(item);
    }
  }
  return call.runtime().make_sequence(Type::kGenerator, std::move(selected));
}

constexpr Native kSequenceFilters[] = {
    {"attr", attr_filter, "value name"},
    {"batch", batch_filter, "value linecount fill_with?"},
    {"count", length_filter, "value"},
    {"d", default_filter, "value default_value? boolean?"},
    {"default", default_filter, "value default_value? boolean?"},
    {"dictsort", dictsort_filter, "value case_sensitive? by? reverse?"},
    {"first", first_filter, "value"},
    {"items", items_filter, "value"},
    {"join", join_filter, "value d? attribute?"},
    {"last", last_filter, "value"},
    {"length", length_filter, "value"},
    {"list", list_filter, "value"},
    {"map", map_filter, "value *"},
    {"max", extreme_filter<true>, "value case_sensitive? attribute?"},
    {"min", extreme_filter<false>, "value case_sensitive? attribute?"},
    {"reject", select_filter<false, false>, "value *"},
    {"rejectattr", select_filter<false, true>, "value *"},
    {"reverse", reverse_filter, "value"},
    {"select", select_filter<true, false>, "value *"},
    {"selectattr", select_filter<true, true>, "value *"},
    {"sort", sort_filter, "value reverse? case_sensitive? attribute?"},
    {"sum", sum_filter, "value attribute? start?"},
    {"unique", unique_filter, "value case_sensitive? attribute?"},
};
static_assert(is_sorted_by_name(kSequenceFilters));

}  // namespace

const Native* find_sequence_filter(std::string_view name) {
  return find_native(kSequenceFilters, name);
}

}  // namespace rotor::jinja
