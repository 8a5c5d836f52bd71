// SPDX-License-Identifier: Apache-2.0
// Calls of functions, methods and macros.
#include <algorithm>

#include "text/jinja/access.h"
#include "text/jinja/machine.h"
#include "text/unicode.h"

namespace rotor::jinja {

Result<Value> Machine::evaluate_call(const Expr& expr, const Macro* caller) {
  ROTOR_ASSIGN(const Value callee, evaluate(*expr.operands[0]));
  ROTOR_ASSIGN(Arguments arguments, evaluate_arguments(expr.arguments));
  if (caller != nullptr) {
    arguments.keywords.push_back({"caller", Value(Value::Data(caller))});
  }
  switch (callee.kind()) {
    case Kind::kNative:
      return at(call_native(runtime_, callee.native(), nullptr, arguments), expr.offset);
    case Kind::kMethod: {
      const Method& method = callee.method();
      return at(call_native(runtime_, *method.native, &method.self, arguments), expr.offset);
    }
    case Kind::kMacro:
      return call_macro(callee.macro(), std::move(arguments), expr);
    case Kind::kUndefined:
      return locate(undefined_error(callee.origin()), expr.offset);
    default:
      return locate(
          format_error("expected something to call, got " + std::string(type_name(callee))),
          expr.offset);
  }
}

Result<Arguments> Machine::evaluate_arguments(const std::vector<Argument>& arguments) {
  using Form = Argument::Form;
  Arguments out;
  for (const Argument& argument : arguments) {
    ROTOR_ASSIGN(Value value, evaluate(*argument.value));
    if (argument.form == Form::kPositional) {
      out.positional.push_back(std::move(value));
    } else if (argument.form == Form::kKeyword) {
      out.keywords.push_back({argument.name, std::move(value)});
    } else {
      ROTOR_TRY(locate(spread(value, argument.form, out), argument.value->offset));
    }
  }
  return out;
}

// Adds the elements of *value or the entries of **value.
Status Machine::spread(const Value& value, Argument::Form form, Arguments& out) {
  if (form == Argument::Form::kSpread) {
    ROTOR_ASSIGN(const SequenceRef items, iterate(value, runtime_));
    ROTOR_TRY(runtime_.budget().allocate(items->items.size() * sizeof(Value)));
    out.positional.insert(out.positional.end(), items->items.begin(), items->items.end());
    return Status();
  }
  if (!value.is(Kind::kDict)) {
    return format_error("expected dict after **, got " + std::string(type_name(value)));
  }
  ROTOR_TRY(runtime_.budget().allocate(value.dict().size() * sizeof(Keyword)));
  for (const Dict::Entry& entry : value.dict().entries()) {
    if (!entry.key.is(Kind::kText)) {
      return format_error("expected str as keywords, got " + std::string(type_name(entry.key)));
    }
    out.keywords.push_back({std::string(entry.key.bytes()), entry.value});
  }
  return Status();
}

Result<Value> Machine::call_macro(const Macro& macro, Arguments arguments, const Expr& expr) {
  const int limit = runtime_.budget().limits().max_call_depth;
  if (call_depth_ >= limit) {
    return locate(format_error("expected macro calls nested at most " + std::to_string(limit) +
                               " deep, got deeper ones"),
                  expr.offset);
  }
  ++call_depth_;
  const ScopeGuard scope(*this, macro.closure);
  ROTOR_TRY(bind_parameters(*macro.definition, arguments, expr));
  ROTOR_TRY(bind_extra(*macro.definition, arguments, expr));
  ROTOR_ASSIGN(Text text, capture(macro.definition->body));
  --call_depth_;
  return at(runtime_.make_text(std::move(text)), expr.offset);
}

// Moves the arguments that have a parameter into variables; the others stay.
Status Machine::bind_parameters(const Stmt& definition, Arguments& arguments, const Expr& expr) {
  std::vector<Value>& positional = arguments.positional;
  const size_t given = std::min(positional.size(), definition.parameters.size());
  std::vector<const Parameter*> missing;
  for (size_t i = 0; i < definition.parameters.size(); ++i) {
    const Parameter& parameter = definition.parameters[i];
    const auto keyword = std::find_if(arguments.keywords.begin(), arguments.keywords.end(),
                                      [&](const Keyword& k) { return k.name == parameter.name; });
    const bool has_keyword = keyword != arguments.keywords.end();
    ROTOR_TRY(locate(runtime_.budget().step(1 + arguments.keywords.size() / 8), expr.offset));
    if (i < given) {
      set(parameter.name_id, std::move(positional[i]));
    } else if (has_keyword) {
      set(parameter.name_id, std::move(keyword->value));
      arguments.keywords.erase(keyword);
    } else {
      set(parameter.name_id, Value());
      missing.push_back(&parameter);
    }
  }
  positional.erase(positional.begin(), positional.begin() + static_cast<ptrdiff_t>(given));
  for (const Parameter* parameter : missing) {  // a default may use the other parameters
    if (parameter->default_value) {
      ROTOR_ASSIGN(Value value, evaluate(*parameter->default_value));
      set(parameter->name_id, std::move(value));
    }
  }
  return Status();
}

// What is left goes to varargs, kwargs and caller, for macros that mention them.
Status Machine::bind_extra(const Stmt& definition, Arguments& arguments, const Expr& expr) {
  if (definition.uses_caller) {
    const auto caller = std::find_if(arguments.keywords.begin(), arguments.keywords.end(),
                                     [](const Keyword& k) { return k.name == "caller"; });
    const bool is_given = caller != arguments.keywords.end();
    const bool is_parameter =
        std::any_of(definition.parameters.begin(), definition.parameters.end(),
                    [](const Parameter& p) { return p.name_id == kCallerName; });
    if (!is_parameter) {
      set(kCallerName, is_given ? std::move(caller->value) : Value());
    }
    if (is_given) {
      arguments.keywords.erase(caller);
    }
  }
  if (definition.uses_varargs) {
    ROTOR_ASSIGN(Value rest,
                 at(runtime_.make_sequence(Sequence::Type::kTuple, std::move(arguments.positional)),
                    expr.offset));
    set(kVarargsName, std::move(rest));
  } else if (!arguments.positional.empty()) {
    return locate(format_error("expected at most " + std::to_string(definition.parameters.size()) +
                               " arguments of the macro, got more"),
                  expr.offset);
  }
  if (definition.uses_kwargs) {
    Dict named;
    for (Keyword& keyword : arguments.keywords) {
      named.set(keyword.name, Value::text(keyword.name, true), std::move(keyword.value));
    }
    ROTOR_ASSIGN(Value rest, at(runtime_.make_dict(std::move(named)), expr.offset));
    set(kKwargsName, std::move(rest));
  } else if (!arguments.keywords.empty()) {
    return locate(format_error("expected keyword arguments that the macro has, got " +
                               printable(arguments.keywords.front().name)),
                  expr.offset);
  }
  return Status();
}

}  // namespace rotor::jinja
