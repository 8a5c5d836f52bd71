// SPDX-License-Identifier: Apache-2.0
// What one rendering owns: its budget, its clock, and the objects that values only point to.
// Everything dies with it. Used by one thread.
#pragma once

#include <rotor/status.h>

#include <ctime>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "text/jinja/budget.h"
#include "text/jinja/value.h"

namespace rotor::jinja {

// The variables of one block: of the template, a loop iteration, a macro call.
struct Scope {
  Scope* parent = nullptr;
  std::vector<std::pair<uint32_t, Value>> variables;  // by interned name
  bool is_captured = false;  // a macro was defined in it, so it lives as long as the Runtime
};

class Runtime {
 public:
  // `now` is what strftime_now shows; without one it asks the system for local time.
  Runtime(const RenderLimits& limits, std::optional<std::tm> now) : budget_(limits), now_(now) {}
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  Budget& budget() { return budget_; }
  std::tm now() const;

  // Each pays for what it makes, and refuses nesting deeper than kMaxNesting.
  Result<Value> make_text(Text text);
  Result<Value> make_sequence(Sequence::Type type, std::vector<Value> items);
  Result<Value> make_dict(Dict dict);
  Result<Value> make_method(Value self, const Native* native);
  Result<Namespace*> make_namespace();
  Result<Loop*> make_loop(SequenceRef items);
  Result<const Macro*> make_macro(const Stmt& definition, Scope& closure);

  // How many natives call each other, as map('map', ...) does; counted by call_native.
  int native_depth = 0;

  // Scopes are taken and given back like a stack; captured ones are kept.
  Scope* enter_scope(Scope* parent);
  void leave_scope(Scope* scope);

 private:
  Budget budget_;
  std::optional<std::tm> now_;
  std::deque<Namespace> namespaces_;
  std::deque<Loop> loops_;
  std::deque<Macro> macros_;
  std::deque<Scope> scopes_;
  std::vector<Scope*> free_scopes_;
};

}  // namespace rotor::jinja
