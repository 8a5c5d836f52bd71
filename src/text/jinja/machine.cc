// SPDX-License-Identifier: Apache-2.0
// Statements and variables.
#include "text/jinja/machine.h"

#include <utility>

#include "text/jinja/access.h"
#include "text/jinja/lexer.h"
#include "text/jinja/operators.h"
#include "text/jinja/print.h"
#include "text/unicode.h"

namespace rotor::jinja {

Machine::Machine(const Program& program, Runtime& runtime) : program_(program), runtime_(runtime) {}

Result<Text> Machine::run(const Dict& variables) {
  Text out;
  out_ = &out;
  const ScopeGuard given(*this, nullptr);
  for (uint32_t id = 0; id < program_.names.size(); ++id) {
    if (const Value* value = variables.find(program_.names[id])) {
      scope_->variables.emplace_back(id, *value);
    }
  }
  const ScopeGuard top(*this);
  ROTOR_TRY(execute(program_.body).status());
  return out;
}

Status Machine::locate(Status status, size_t offset) const {
  // A template's own refusal stands for itself, and messages are located where they first pass.
  if (status.ok() || status.code() == Code::kInvalidArgument ||
      status.message().starts_with("line ")) {
    return status;
  }
  return std::move(status).with_context(describe_position(program_.source, offset));
}

Result<Machine::Flow> Machine::execute(const Block& block) {
  for (const StmtPtr& stmt : block) {
    ROTOR_ASSIGN(const Flow flow, execute(*stmt));
    if (flow != Flow::kNext) {
      return flow;
    }
  }
  return Flow::kNext;
}

Result<Machine::Flow> Machine::execute(const Stmt& stmt) {
  const DepthGuard depth(*this);
  if (depth.too_deep()) {
    return locate(format_error("expected macros and blocks nested less deep"), stmt.offset);
  }
  ROTOR_TRY(locate(runtime_.budget().step(), stmt.offset));
  switch (stmt.kind) {
    case StmtKind::kText:
      ROTOR_TRY(write(stmt.text, stmt.offset));
      break;
    case StmtKind::kOutput:
      ROTOR_TRY(output(*stmt.value));
      break;
    case StmtKind::kSet: {
      ROTOR_ASSIGN(Value value, evaluate(*stmt.value));
      ROTOR_TRY(assign(*stmt.target, std::move(value)));
      break;
    }
    case StmtKind::kSetBlock:
      ROTOR_TRY(execute_set_block(stmt));
      break;
    case StmtKind::kMacro:
      ROTOR_TRY(define_macro(stmt));
      break;
    case StmtKind::kCallBlock:
      ROTOR_TRY(execute_call_block(stmt));
      break;
    case StmtKind::kFilterBlock: {
      ROTOR_ASSIGN(captured_, capture(stmt.body));
      ROTOR_TRY(output(*stmt.value));
      break;
    }
    case StmtKind::kIf:
      return execute_if(stmt);
    case StmtKind::kFor:
      return execute_for(stmt);
    case StmtKind::kWith:
    case StmtKind::kScope:
      return execute_scoped(stmt);
    case StmtKind::kBreak:
      return Flow::kBreak;
    case StmtKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
}

Status Machine::output(const Expr& expr) {
  ROTOR_ASSIGN(const Value value, evaluate(expr));
  if (value.is(Kind::kText)) {
    return write(value.text(), expr.offset);
  }
  ROTOR_ASSIGN(const TextRef text, at(to_text(value, runtime_), expr.offset));
  return write(*text, expr.offset);
}

Status Machine::check_output(size_t added, size_t offset) {
  const size_t limit = runtime_.budget().limits().max_output;
  if (added > limit - out_->size()) {
    return locate(
        format_error("expected at most " + std::to_string(limit) + " bytes of output, got more"),
        offset);
  }
  return locate(runtime_.budget().allocate(added), offset);
}

Status Machine::write(std::string_view bytes, size_t offset) {
  ROTOR_TRY(check_output(bytes.size(), offset));
  out_->append(bytes, true);
  return Status();
}

Status Machine::write(const Text& text, size_t offset) {
  ROTOR_TRY(check_output(text.size(), offset));
  out_->append(text);
  return Status();
}

Result<Machine::Flow> Machine::execute_if(const Stmt& stmt) {
  for (const Branch& branch : stmt.branches) {
    ROTOR_ASSIGN(const Value condition, evaluate(*branch.condition));
    if (truth(condition)) {
      return execute(branch.body);
    }
  }
  return execute(stmt.otherwise);
}

Result<Machine::Flow> Machine::execute_for(const Stmt& stmt) {
  ROTOR_ASSIGN(const Value value, evaluate(*stmt.value));
  ROTOR_ASSIGN(SequenceRef items, at(iterate(value, runtime_), stmt.value->offset));
  if (stmt.condition) {
    ROTOR_ASSIGN(items, filter_items(stmt, std::move(items)));
  }
  ROTOR_ASSIGN(const bool ran, execute_iterations(stmt, items));
  if (ran) {
    return Flow::kNext;
  }
  const ScopeGuard scope(*this);
  return execute(stmt.otherwise);
}

Result<SequenceRef> Machine::filter_items(const Stmt& stmt, SequenceRef items) {
  std::vector<Value> kept;
  for (const Value& item : items->items) {
    ROTOR_TRY(locate(runtime_.budget().step(), stmt.offset));
    const ScopeGuard scope(*this);
    ROTOR_TRY(assign(*stmt.target, item));
    ROTOR_ASSIGN(const Value condition, evaluate(*stmt.condition));
    if (truth(condition)) {
      kept.push_back(item);
    }
  }
  ROTOR_ASSIGN(const Value list,
               at(runtime_.make_sequence(Sequence::Type::kList, std::move(kept)), stmt.offset));
  return list.sequence_ref();
}

// Whether an iteration ran to its end: Jinja2 takes the else block also when each one was left by
// break or continue.
Result<bool> Machine::execute_iterations(const Stmt& stmt, const SequenceRef& items) {
  ROTOR_ASSIGN(Loop* const loop, at(runtime_.make_loop(items), stmt.offset));
  bool ran = false;
  for (size_t i = 0; i < items->items.size(); ++i) {
    ROTOR_TRY(locate(runtime_.budget().step(), stmt.offset));
    loop->index0 = i;
    const ScopeGuard scope(*this);
    set(kLoopName, Value(Value::Data(loop)));
    ROTOR_TRY(assign(*stmt.target, items->items[i]));
    ROTOR_ASSIGN(const Flow flow, execute(stmt.body));
    ran = ran || flow == Flow::kNext;
    if (flow == Flow::kBreak) {
      break;
    }
  }
  return ran;
}

Result<Machine::Flow> Machine::execute_scoped(const Stmt& stmt) {
  std::vector<Value> values;  // none sees the others
  for (const Binding& binding : stmt.bindings) {
    ROTOR_ASSIGN(Value value, evaluate(*binding.value));
    values.push_back(std::move(value));
  }
  const ScopeGuard scope(*this);
  for (size_t i = 0; i < values.size(); ++i) {
    ROTOR_TRY(assign(*stmt.bindings[i].target, std::move(values[i])));
  }
  return execute(stmt.body);
}

Result<Text> Machine::capture(const Block& block) {
  Text text;
  Text* const outer = std::exchange(out_, &text);
  const ScopeGuard scope(*this);
  const Status status = execute(block).status();
  out_ = outer;
  ROTOR_TRY(status);
  return text;
}

Status Machine::execute_set_block(const Stmt& stmt) {
  ROTOR_ASSIGN(captured_, capture(stmt.body));
  ROTOR_ASSIGN(Value value, evaluate(*stmt.value));
  return assign(*stmt.target, std::move(value));
}

Status Machine::execute_call_block(const Stmt& stmt) {
  ROTOR_ASSIGN(const Macro* const caller, at(runtime_.make_macro(stmt, *scope_), stmt.offset));
  ROTOR_ASSIGN(const Value value, evaluate_call(*stmt.value, caller));
  ROTOR_ASSIGN(const TextRef text, at(to_text(value, runtime_), stmt.offset));
  return write(*text, stmt.offset);
}

Status Machine::define_macro(const Stmt& stmt) {
  ROTOR_ASSIGN(const Macro* const macro, at(runtime_.make_macro(stmt, *scope_), stmt.offset));
  set(stmt.target->name_id, Value(Value::Data(macro)));
  return Status();
}

Status Machine::assign(const Expr& target, Value value) {
  switch (target.kind) {
    case ExprKind::kName:
      ROTOR_TRY(locate(runtime_.budget().step(scope_->variables.size() / 16), target.offset));
      set(target.name_id, std::move(value));
      return Status();
    case ExprKind::kTuple:
      return assign_tuple(target, value);
    default:
      return assign_attribute(target, std::move(value));
  }
}

Status Machine::assign_tuple(const Expr& target, const Value& value) {
  const size_t wanted = target.operands.size();
  ROTOR_ASSIGN(const SequenceRef items, at(iterate(value, runtime_), target.offset));
  if (items->items.size() != wanted) {
    return locate(format_error("expected " + std::to_string(wanted) + " values to assign, got " +
                               std::to_string(items->items.size())),
                  target.offset);
  }
  for (size_t i = 0; i < wanted; ++i) {
    ROTOR_TRY(assign(*target.operands[i], items->items[i]));
  }
  return Status();
}

Status Machine::assign_attribute(const Expr& target, Value value) {
  ROTOR_ASSIGN(const Value object, evaluate(*target.operands[0]));
  if (!object.is(Kind::kNamespace)) {
    return locate(format_error("expected a namespace to set " + printable(target.name) +
                               " of, got " + std::string(type_name(object))),
                  target.offset);
  }
  ROTOR_TRY(locate(runtime_.budget().allocate(target.name.size() + sizeof(Value)), target.offset));
  object.name_space().attributes.set(target.name, Value::text(target.name, true), std::move(value));
  return Status();
}

void Machine::set(uint32_t name_id, Value value) {
  for (auto& [id, variable] : scope_->variables) {
    if (id == name_id) {
      variable = std::move(value);
      return;
    }
  }
  scope_->variables.emplace_back(name_id, std::move(value));
}

const Value* Machine::find(uint32_t name_id, uint64_t& looked_at) const {
  for (const Scope* scope = scope_; scope != nullptr; scope = scope->parent) {
    looked_at += 1 + scope->variables.size();
    for (const auto& [id, value] : scope->variables) {
      if (id == name_id) {
        return &value;
      }
    }
  }
  return nullptr;
}

}  // namespace rotor::jinja
