// SPDX-License-Identifier: Apache-2.0
// The syntax tree of a template. One struct for expressions and one for statements; which fields a
// node uses stands beside its kind. Immutable once parsed, so renderings in several threads share
// it. No path from the root is longer than kMaxTreeDepth, so walking it may recurse.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "text/jinja/value.h"

namespace rotor::jinja {

inline constexpr size_t kMaxSourceBytes = size_t{1} << 20;
inline constexpr uint32_t kMaxTreeDepth = 100;
inline constexpr size_t kMaxNodes = 100'000;

enum class Operator : uint8_t {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn,
};

enum class ExprKind : uint8_t {
  kLiteral,      // literal
  kName,         // name_id, name
  kAttribute,    // operands[0] . name
  kItem,         // operands[0] [ operands[1] ]
  kSlice,        // operands[0] [ operands[1] : operands[2] : operands[3] ], null where left out
  kCall,         // operands[0] ( arguments )
  kFilter,       // operands[0] | name ( arguments ); native is null for an unknown filter
  kTest,         // operands[0] is name ( arguments ); native likewise
  kList,         // operands
  kTuple,        // operands
  kDict,         // key, value, key, value ... in operands
  kNot,          // not operands[0]
  kNegative,     // - operands[0]
  kPositive,     // + operands[0]
  kAnd,          // operands, two or more
  kOr,           // operands, two or more
  kArithmetic,   // operands[0] operators[0] operands[1] operators[1] ..., left to right
  kConcat,       // operands, two or more, joined by ~
  kCompare,      // operands[0] operators[0] operands[1] operators[1] ..., chained as in Python
  kConditional,  // operands[0] if operands[1] else operands[2]; null where left out
  kCaptured,     // the text of the surrounding set or filter block
};

using ExprPtr = std::unique_ptr<Expr>;
using StmtPtr = std::unique_ptr<Stmt>;

struct Argument {
  enum class Form : uint8_t { kPositional, kKeyword, kSpread, kSpreadKeywords };
  Form form = Form::kPositional;
  std::string name;  // of a keyword
  ExprPtr value;
};

struct Expr {
  ExprKind kind;
  uint32_t offset = 0;  // byte of the source, for messages
  uint32_t depth = 1;   // of the tree below, this node included
  uint32_t name_id = 0;
  std::string name;
  Value literal;
  const Native* native = nullptr;
  std::vector<ExprPtr> operands;
  std::vector<Operator> operators;
  std::vector<Argument> arguments;
};

enum class StmtKind : uint8_t {
  kText,         // text
  kOutput,       // value
  kSet,          // target = value
  kSetBlock,     // target = value, which is kCaptured or filters of it, over body
  kFor,          // for target in value if condition: body else otherwise
  kIf,           // branches, otherwise
  kMacro,        // target (a name), parameters, body
  kCallBlock,    // value is the call; parameters and body are the caller
  kFilterBlock,  // value is filters of kCaptured over body
  kWith,         // bindings, body
  kScope,        // body (a generation block)
  kBreak,
  kContinue,
};

using Block = std::vector<StmtPtr>;

struct Branch {
  ExprPtr condition;
  Block body;
};

struct Parameter {
  uint32_t name_id = 0;
  std::string name;
  ExprPtr default_value;  // null when there is none
};

struct Binding {
  ExprPtr target;
  ExprPtr value;
};

struct Stmt {
  StmtKind kind;
  uint32_t offset = 0;
  std::string text;
  ExprPtr target;
  ExprPtr value;
  ExprPtr condition;
  Block body;
  Block otherwise;
  std::vector<Branch> branches;
  std::vector<Parameter> parameters;
  std::vector<Binding> bindings;
  // Which of the special variables the body of a macro mentions.
  bool uses_caller = false;
  bool uses_varargs = false;
  bool uses_kwargs = false;
};

// Names are interned; these come first in Program::names.
enum SpecialName : uint32_t { kLoopName, kCallerName, kVarargsName, kKwargsName };

struct Program {
  std::string source;  // with \n for every line end
  std::vector<std::string> names;
  Block body;
};

}  // namespace rotor::jinja
