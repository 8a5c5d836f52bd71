// SPDX-License-Identifier: Apache-2.0
// Making values against the budget.
#include "text/jinja/runtime.h"

#include <algorithm>
#include <string>

namespace rotor::jinja {
namespace {

// The control block and the object beside the payload.
constexpr size_t kObjectBytes = 96;

Status check_nesting(uint32_t nesting) {
  if (nesting <= kMaxNesting) {
    return Status();
  }
  return format_error("expected lists and dicts nested at most " + std::to_string(kMaxNesting) +
                      " deep, got deeper ones");
}

}  // namespace

std::tm Runtime::now() const {
  if (now_) {
    return *now_;
  }
  const std::time_t seconds = std::time(nullptr);
  std::tm local{};
  localtime_r(&seconds, &local);
  return local;
}

Result<Value> Runtime::make_text(Text text) {
  ROTOR_TRY(budget_.allocate(kObjectBytes + text.size() + text.spans().size() * sizeof(Span)));
  return Value::text(std::move(text));
}

Result<Value> Runtime::make_sequence(Sequence::Type type, std::vector<Value> items) {
  ROTOR_TRY(budget_.allocate(kObjectBytes + items.size() * sizeof(Value)));
  auto sequence = std::make_shared<Sequence>();
  for (const Value& item : items) {
    sequence->nesting = std::max(sequence->nesting, 1 + nesting_of(item));
  }
  ROTOR_TRY(check_nesting(sequence->nesting));
  sequence->type = type;
  sequence->items = std::move(items);
  return Value(Value::Data(SequenceRef(std::move(sequence))));
}

Result<Value> Runtime::make_dict(Dict dict) {
  ROTOR_TRY(budget_.allocate(kObjectBytes + dict.size() * 3 * sizeof(Value)));
  ROTOR_TRY(check_nesting(dict.nesting()));
  return Value(Value::Data(DictRef(std::make_shared<const Dict>(std::move(dict)))));
}

Result<Value> Runtime::make_method(Value self, const Native* native) {
  ROTOR_TRY(budget_.allocate(kObjectBytes));
  ROTOR_TRY(check_nesting(1 + nesting_of(self)));
  auto method = std::make_shared<Method>();
  method->self = std::move(self);
  method->native = native;
  return Value(Value::Data(MethodRef(std::move(method))));
}

Result<Namespace*> Runtime::make_namespace() {
  ROTOR_TRY(budget_.allocate(sizeof(Namespace)));
  return &namespaces_.emplace_back();
}

Result<Loop*> Runtime::make_loop(SequenceRef items) {
  ROTOR_TRY(budget_.allocate(sizeof(Loop)));
  Loop& loop = loops_.emplace_back();
  loop.items = std::move(items);
  return &loop;
}

Result<const Macro*> Runtime::make_macro(const Stmt& definition, Scope& closure) {
  ROTOR_TRY(budget_.allocate(sizeof(Macro) + (closure.is_captured ? 0 : sizeof(Scope))));
  for (Scope* scope = &closure; scope != nullptr && !scope->is_captured; scope = scope->parent) {
    scope->is_captured = true;
  }
  macros_.push_back({&definition, &closure});
  return &macros_.back();
}

Scope* Runtime::enter_scope(Scope* parent) {
  if (free_scopes_.empty()) {
    free_scopes_.push_back(&scopes_.emplace_back());
  }
  Scope* scope = free_scopes_.back();
  free_scopes_.pop_back();
  scope->parent = parent;
  return scope;
}

void Runtime::leave_scope(Scope* scope) {
  if (scope->is_captured) {
    return;
  }
  scope->variables.clear();
  free_scopes_.push_back(scope);
}

}  // namespace rotor::jinja
