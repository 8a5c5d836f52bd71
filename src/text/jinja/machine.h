// SPDX-License-Identifier: Apache-2.0
// Runs a parsed template: walks the syntax tree over scopes of variables and writes text with
// origins. Scoping is Jinja2's: loops, macros, blocks of set, call, filter and with have scopes of
// their own, if has none, and what a scope sets is gone when it ends. Used by one thread, once.
#pragma once

#include <rotor/status.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/native.h"
#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace rotor::jinja {

class Machine {
 public:
  // Both outlive the machine.
  Machine(const Program& program, Runtime& runtime);

  // `variables` are the template's top-level variables by name.
  Result<Text> run(const Dict& variables);

 private:
  enum class Flow : uint8_t { kNext, kBreak, kContinue };

  // Statements (machine.cc). Each writes to *out_.
  Result<Flow> execute(const Block& block);
  Result<Flow> execute(const Stmt& stmt);
  Status output(const Expr& expr);
  Status check_output(size_t added, size_t offset);
  Status write(std::string_view bytes, size_t offset);
  Status write(const Text& text, size_t offset);
  Result<Flow> execute_if(const Stmt& stmt);
  Result<Flow> execute_for(const Stmt& stmt);
  Result<SequenceRef> filter_items(const Stmt& stmt, SequenceRef items);
  Result<bool> execute_iterations(const Stmt& stmt, const SequenceRef& items);
  Result<Flow> execute_scoped(const Stmt& stmt);
  Status execute_set_block(const Stmt& stmt);
  Status execute_call_block(const Stmt& stmt);
  Status define_macro(const Stmt& stmt);
  Status assign(const Expr& target, Value value);
  Status assign_tuple(const Expr& target, const Value& value);
  Status assign_attribute(const Expr& target, Value value);
  // The text that `block` writes, in a scope of its own.
  Result<Text> capture(const Block& block);

  // Expressions (expressions.cc).
  Result<Value> evaluate(const Expr& expr);
  Result<Value> evaluate_kind(const Expr& expr);
  Result<Value> evaluate_name(const Expr& expr);
  Result<Value> evaluate_attribute(const Expr& expr);
  Result<Value> evaluate_item(const Expr& expr);
  Result<Value> evaluate_slice(const Expr& expr);
  Result<Value> evaluate_filter_or_test(const Expr& expr);
  Result<Value> evaluate_items(const Expr& expr, Sequence::Type type);
  Result<Value> evaluate_dict(const Expr& expr);
  Result<Value> evaluate_logic(const Expr& expr);
  Result<Value> evaluate_arithmetic(const Expr& expr);
  Result<Value> evaluate_concat(const Expr& expr);
  Result<Value> evaluate_compare(const Expr& expr);
  Result<Value> evaluate_conditional(const Expr& expr);

  // Calls (calls.cc).
  Result<Value> evaluate_call(const Expr& expr, const Macro* caller);
  Result<Arguments> evaluate_arguments(const std::vector<Argument>& arguments);
  Status spread(const Value& value, Argument::Form form, Arguments& out);
  Result<Value> call_macro(const Macro& macro, Arguments arguments, const Expr& expr);
  Status bind_parameters(const Stmt& definition, Arguments& arguments, const Expr& expr);
  Status bind_extra(const Stmt& definition, Arguments& arguments, const Expr& expr);

  // Variables.
  void set(uint32_t name_id, Value value);
  const Value* find(uint32_t name_id, uint64_t& looked_at) const;

  // Puts the position in front of a message that has none yet.
  Status locate(Status status, size_t offset) const;
  template <typename T>
  Result<T> at(Result<T> result, size_t offset) const {
    return result.ok() ? std::move(result) : Result<T>(locate(result.status(), offset));
  }

  // For as long as it lives, statements run in a new scope inside the current one.
  class ScopeGuard;
  // Counts the recursion of the walk.
  class DepthGuard;

  const Program& program_;
  Runtime& runtime_;
  Scope* scope_ = nullptr;
  Text* out_ = nullptr;
  Text captured_;  // what kCaptured stands for
  int call_depth_ = 0;
  int depth_ = 0;
};

class Machine::ScopeGuard {
 public:
  ScopeGuard(Machine& machine, Scope* parent)
      : machine_(machine), outer_(machine.scope_), scope_(machine.runtime_.enter_scope(parent)) {
    machine_.scope_ = scope_;
  }
  explicit ScopeGuard(Machine& machine) : ScopeGuard(machine, machine.scope_) {}
  ~ScopeGuard() {
    machine_.scope_ = outer_;
    machine_.runtime_.leave_scope(scope_);
  }
  ScopeGuard(const ScopeGuard&) = delete;
  ScopeGuard& operator=(const ScopeGuard&) = delete;

 private:
  Machine& machine_;
  Scope* outer_;
  Scope* scope_;
};

class Machine::DepthGuard {
 public:
  // Levels of the tree, over all macro calls together. A level takes some hundred bytes of stack.
  static constexpr int kMaxDepth = 700;

  explicit DepthGuard(Machine& machine) : machine_(machine) { ++machine_.depth_; }
  ~DepthGuard() { --machine_.depth_; }
  DepthGuard(const DepthGuard&) = delete;
  DepthGuard& operator=(const DepthGuard&) = delete;

  bool too_deep() const { return machine_.depth_ > kMaxDepth; }

 private:
  Machine& machine_;
};

}  // namespace rotor::jinja
