// SPDX-License-Identifier: Apache-2.0
// json.dumps.
#include "text/jinja/json_dump.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "text/jinja/operators.h"
#include "text/jinja/print.h"
#include "text/unicode.h"

namespace rotor::jinja {
namespace {

std::string json_real(double value) {
  if (std::isnan(value)) {
    return "NaN";
  }
  if (std::isinf(value)) {
    return value < 0 ? "-Infinity" : "Infinity";
  }
  return format_real(value);
}

class JsonWriter {
 public:
  JsonWriter(const JsonStyle& style, Budget& budget, Text& out)
      : style_(style), budget_(budget), out_(out) {}

  // Values nest at most kMaxNesting deep, and namespaces are no JSON, so this recursion ends.
  Status write(const Value& value) {
    ROTOR_TRY(budget_.step());
    switch (value.kind()) {
      case Kind::kNone:
        put("null");
        return Status();
      case Kind::kBool:
        put(value.integer() != 0 ? "true" : "false");
        return Status();
      case Kind::kInteger:
        put(std::to_string(value.integer()));
        return Status();
      case Kind::kReal:
        put(json_real(value.real()));
        return Status();
      case Kind::kText:
        return write_text(value.text());
      case Kind::kDict:
        return write_dict(value.dict());
      case Kind::kSequence:
        if (value.sequence().type <= Sequence::Type::kTuple) {
          return write_list(value.sequence().items);
        }
        break;
      default:
        break;
    }
    return format_error("expected a value that JSON has, got " + std::string(type_name(value)));
  }

 private:
  void put(std::string_view bytes) { out_.append(bytes, false); }

  Status put_line_break() {
    if (!style_.indent) {
      return Status();
    }
    ROTOR_TRY(budget_.allocate(1 + level_ * style_.indent->size()));
    put("\n");
    for (size_t i = 0; i < level_; ++i) {
      put(*style_.indent);
    }
    return Status();
  }

  Status write_list(const std::vector<Value>& items) {
    put("[");
    ++level_;
    for (size_t i = 0; i < items.size(); ++i) {
      put(i == 0 ? "" : style_.item_separator);
      ROTOR_TRY(put_line_break());
      ROTOR_TRY(write(items[i]));
    }
    --level_;
    if (!items.empty()) {
      ROTOR_TRY(put_line_break());
    }
    put("]");
    return Status();
  }

  Status write_dict(const Dict& dict) {
    std::vector<const Dict::Entry*> entries;
    for (const Dict::Entry& entry : dict.entries()) {
      entries.push_back(&entry);
    }
    if (style_.sort_keys) {
      ROTOR_TRY(sort(entries));
    }
    put("{");
    ++level_;
    for (size_t i = 0; i < entries.size(); ++i) {
      put(i == 0 ? "" : style_.item_separator);
      ROTOR_TRY(put_line_break());
      ROTOR_TRY(write_key(entries[i]->key));
      put(style_.key_separator);
      ROTOR_TRY(write(entries[i]->value));
    }
    --level_;
    if (!entries.empty()) {
      ROTOR_TRY(put_line_break());
    }
    put("}");
    return Status();
  }

  Status sort(std::vector<const Dict::Entry*>& entries) {
    Status failure;
    std::stable_sort(entries.begin(), entries.end(), [&](const auto* a, const auto* b) {
      if (!failure.ok()) {
        return false;
      }
      Result<bool> is_less = less(a->key, b->key, budget_);
      if (!is_less.ok()) {
        failure = is_less.status();
      }
      return is_less.ok() && *is_less;
    });
    return failure;
  }

  Status write_key(const Value& key) {
    switch (key.kind()) {
      case Kind::kText:
        return write_text(key.text());
      case Kind::kNone:
        put("\"null\"");
        return Status();
      case Kind::kBool:
        put(key.integer() != 0 ? "\"true\"" : "\"false\"");
        return Status();
      case Kind::kInteger:
        put("\"" + std::to_string(key.integer()) + "\"");
        return Status();
      case Kind::kReal:
        put("\"" + json_real(key.real()) + "\"");
        return Status();
      default:
        return format_error("expected a key that JSON has, got " + std::string(type_name(key)));
    }
  }

  Status write_text(const Text& text) {
    ROTOR_TRY(budget_.transform(text.size()));
    ROTOR_TRY(budget_.allocate(text.size()));
    const std::string_view bytes = text.bytes();
    put("\"");
    TextReader reader(text);
    while (!reader.at_end()) {
      const size_t plain = plain_end(bytes, reader.position());
      reader.copy_to(plain, out_);
      if (reader.at_end()) {
        break;
      }
      const Utf8Char c = decode_utf8(bytes, plain);
      out_.append(escaped(c.code_point), reader.from_template());
      reader.skip(c.length);
    }
    put("\"");
    return Status();
  }

  // The first byte from `at` on that begins a character to escape.
  size_t plain_end(std::string_view bytes, size_t at) const {
    while (at < bytes.size()) {
      const auto byte = static_cast<unsigned char>(bytes[at]);
      if (byte < 0x20 || byte == '"' || byte == '\\' || (style_.ensure_ascii && byte >= 0x7F)) {
        break;
      }
      ++at;
    }
    return at;
  }

  static std::string escaped(char32_t c) {
    switch (c) {
      case '"':
        return "\\\"";
      case '\\':
        return "\\\\";
      case '\n':
        return "\\n";
      case '\r':
        return "\\r";
      case '\t':
        return "\\t";
      case '\f':
        return "\\f";
      case '\b':
        return "\\b";
      case 0x7F:
        return "\x7F";
      default:
        break;
    }
    const auto value = static_cast<uint32_t>(c);
    if (value <= 0xFFFF) {
      return fmt::format("\\u{:04x}", value);
    }
    return fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((value - 0x10000) >> 10),
                       0xDC00 + ((value - 0x10000) & 0x3FF));
  }

  const JsonStyle& style_;
  Budget& budget_;
  Text& out_;
  size_t level_ = 0;
};

}  // namespace

Result<Text> dump_json(const Value& value, const JsonStyle& style, Budget& budget) {
  Text out;
  ROTOR_TRY(JsonWriter(style, budget, out).write(value));
  return out;
}

}  // namespace rotor::jinja
