// SPDX-License-Identifier: Apache-2.0
// str() and repr().
#include "text/jinja/print.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "text/jinja/ast.h"
#include "text/jinja/characters.h"
#include "text/jinja/native.h"
#include "text/unicode.h"

namespace rotor::jinja {
namespace {

class Printer {
 public:
  Printer(Budget& budget, Text& out) : budget_(budget), out_(out) {}

  Status print(const Value& value) {
    ROTOR_TRY(budget_.step());
    if (depth_ > kMaxNesting) {
      return format_error("expected a value nested at most " + std::to_string(kMaxNesting) +
                          " deep to print, got a deeper one");
    }
    ++depth_;
    const Status status = print_nested(value);
    --depth_;
    return status;
  }

 private:
  void put(std::string_view bytes, bool from_template = false) {
    out_.append(bytes, from_template);
  }

  Status print_nested(const Value& value) {
    switch (value.kind()) {
      case Kind::kUndefined:
        put("Undefined");
        break;
      case Kind::kNone:
        put("None", value.from_template());
        break;
      case Kind::kBool:
        put(value.integer() != 0 ? "True" : "False", value.from_template());
        break;
      case Kind::kInteger:
        put(std::to_string(value.integer()), value.from_template());
        break;
      case Kind::kReal:
        put(format_real(value.real()), value.from_template());
        break;
      case Kind::kText:
        return print_quoted(value);
      case Kind::kSequence:
        return print_sequence(value.sequence());
      case Kind::kDict:
        return print_dict(value.dict());
      case Kind::kNamespace:
        put("<Namespace ");
        ROTOR_TRY(print_dict(value.name_space().attributes));
        put(">");
        break;
      case Kind::kLoop:
        put(fmt::format("<LoopContext {}/{}>", value.loop().index0 + 1,
                        value.loop().items->items.size()));
        break;
      case Kind::kMacro: {
        const Stmt& definition = *value.macro().definition;
        put(definition.target ? "<Macro '" + definition.target->name + "'>" : "<Macro 'caller'>");
        break;
      }
      case Kind::kNative:
        put("<function " + std::string(value.native().name) + ">");
        break;
      case Kind::kMethod:
        put("<method " + std::string(value.method().native->name) + ">");
        break;
    }
    return Status();
  }

  Status print_items(const std::vector<Value>& items) {
    for (size_t i = 0; i < items.size(); ++i) {
      put(i == 0 ? "" : ", ");
      ROTOR_TRY(print(items[i]));
    }
    return Status();
  }

  Status print_sequence(const Sequence& sequence) {
    using Type = Sequence::Type;
    if (sequence.is_generator()) {
      put("<generator object>");
      return Status();
    }
    if (sequence.type == Type::kRange) {
      return print_range(sequence.items);
    }
    const bool is_tuple = sequence.type == Type::kTuple;
    const std::string_view name = sequence.type == Type::kKeys     ? "dict_keys("
                                  : sequence.type == Type::kValues ? "dict_values("
                                  : sequence.type == Type::kItems  ? "dict_items("
                                                                   : "";
    put(name);
    put(is_tuple ? "(" : "[");
    ROTOR_TRY(print_items(sequence.items));
    put(is_tuple ? (sequence.items.size() == 1 ? ",)" : ")") : "]");
    put(name.empty() ? "" : ")");
    return Status();
  }

  Status print_range(const std::vector<Value>& items) {
    const int64_t first = items.empty() ? 0 : items.front().integer();
    const int64_t step = items.size() < 2 ? 1 : items[1].integer() - first;
    const int64_t last = items.empty() ? 0 : items.back().integer() + (step < 0 ? -1 : 1);
    put(step == 1 ? fmt::format("range({}, {})", first, last)
                  : fmt::format("range({}, {}, {})", first, last, step));
    return Status();
  }

  Status print_dict(const Dict& dict) {
    put("{");
    bool is_first = true;
    for (const Dict::Entry& entry : dict.entries()) {
      put(is_first ? "" : ", ");
      is_first = false;
      ROTOR_TRY(print(entry.key));
      put(": ");
      ROTOR_TRY(print(entry.value));
    }
    put("}");
    return Status();
  }

  Status print_quoted(const Value& value) {
    ROTOR_TRY(budget_.transform(value.text().size()));
    ROTOR_TRY(budget_.allocate(value.text().size()));
    const std::string_view bytes = value.bytes();
    const bool has_single = bytes.find('\'') != std::string_view::npos;
    const bool has_double = bytes.find('"') != std::string_view::npos;
    const char quote = has_single && !has_double ? '"' : '\'';
    put(value.markup() ? "Markup(" : "");
    put(std::string_view(&quote, 1));
    TextReader reader(value.text());
    while (!reader.at_end()) {
      const Utf8Char c = decode_utf8(bytes, reader.position());
      const std::string escape = escaped(c.code_point, quote);
      if (escape.empty()) {
        reader.copy(c.length, out_);
      } else {
        put(escape, reader.from_template());
        reader.skip(c.length);
      }
    }
    put(std::string_view(&quote, 1));
    put(value.markup() ? ")" : "");
    return Status();
  }

  // Empty when the character stands for itself.
  static std::string escaped(char32_t c, char quote) {
    if (c == '\\' || c == static_cast<char32_t>(quote)) {
      return std::string("\\") + static_cast<char>(c);
    }
    if (c == '\n') return "\\n";
    if (c == '\r') return "\\r";
    if (c == '\t') return "\\t";
    if ((c >= 0x20 && c < 0x7F) || is_printable(c)) return "";
    const auto value = static_cast<uint32_t>(c);
    return value <= 0xFF     ? fmt::format("\\x{:02x}", value)
           : value <= 0xFFFF ? fmt::format("\\u{:04x}", value)
                             : fmt::format("\\U{:08x}", value);
  }

  Budget& budget_;
  Text& out_;
  uint32_t depth_ = 0;
};

}  // namespace

Status append_repr(const Value& value, Budget& budget, Text& out) {
  return Printer(budget, out).print(value);
}

Result<TextRef> to_text(const Value& value, Runtime& runtime) {
  if (value.is(Kind::kText)) {
    return value.text_ref();
  }
  Text out;
  if (!value.is(Kind::kUndefined)) {
    ROTOR_TRY(append_repr(value, runtime.budget(), out));
  }
  ROTOR_ASSIGN(const Value text, runtime.make_text(std::move(out)));
  return text.text_ref();
}

std::string format_real(double value) {
  if (std::isnan(value)) {
    return "nan";
  }
  if (std::isinf(value)) {
    return value < 0 ? "-inf" : "inf";
  }
  char buffer[32];
  const auto end =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific).ptr;
  const std::string_view shortest(buffer, static_cast<size_t>(end - buffer));
  const size_t e = shortest.find('e');
  int exponent = 0;
  const size_t exponent_begin = e + (shortest[e + 1] == '+' ? 2 : 1);
  std::from_chars(buffer + exponent_begin, end, exponent);
  if (exponent < -4 || exponent >= 16) {
    return std::string(shortest);  // two digits of exponent at least, as Python prints
  }
  const auto fixed =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::fixed);
  std::string out(buffer, fixed.ptr);
  if (out.find('.') == std::string::npos) {
    out += ".0";
  }
  return out;
}

}  // namespace rotor::jinja
