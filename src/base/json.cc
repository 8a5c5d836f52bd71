// SPDX-License-Identifier: Apache-2.0
// simdjson behind Result: its error codes become messages, its types become words. simdjson refuses
// a document for a number that no 64 bits hold; such a document is parsed again with that number
// rounded, because JSON sets numbers no limit and the field may be one that nobody reads.
#include "base/json.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace rotor {
namespace {

constexpr size_t kMaxDepth = 64;
// simdjson's own smallest capacity: asking for less would make it allocate again, with its own
// depth.
constexpr size_t kMinCapacity = 32;

std::string_view type_name(JsonValue value) {
  switch (value.type()) {
    case simdjson::dom::element_type::ARRAY:
      return "an array";
    case simdjson::dom::element_type::OBJECT:
      return "an object";
    case simdjson::dom::element_type::INT64:
      return "an integer";
    case simdjson::dom::element_type::UINT64:
      return "an integer above 2^63 - 1";
    case simdjson::dom::element_type::DOUBLE:
      return std::abs(double(value)) >= 0x1p63 ? "a number beyond 64 bits"
                                               : "a number with a fraction or exponent";
    case simdjson::dom::element_type::STRING:
      return "a string";
    case simdjson::dom::element_type::BOOL:
      return "true or false";
    case simdjson::dom::element_type::NULL_VALUE:
      return "null";
  }
  return "nothing";
}

template <typename Wanted, typename Stored>
Result<std::optional<Wanted>> lookup(JsonValue object, std::string_view key, std::string_view where,
                                     std::string_view expected) {
  const std::optional<JsonValue> member = json_member(object, key);
  if (!member) {
    return std::optional<Wanted>();
  }
  Stored value;
  if (member->get(value) != simdjson::SUCCESS) {
    return format_error(std::string(where) + ": key \"" + std::string(key) + "\": expected " +
                        std::string(expected) + ", found " + std::string(type_name(*member)));
  }
  return std::optional<Wanted>(Wanted(value));
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// RFC 8259 section 6: [-] int [frac] [exp].
bool is_number(std::string_view text) {
  const auto digits = [&text] {
    const auto* const end = std::find_if_not(text.begin(), text.end(), is_digit);
    const auto count = static_cast<size_t>(end - text.begin());
    text.remove_prefix(count);
    return count;
  };
  const auto take = [&text](std::string_view any) {
    const bool found = !text.empty() && any.find(text.front()) != std::string_view::npos;
    text.remove_prefix(found ? 1 : 0);
    return found;
  };
  take("-");
  const bool zero = text.starts_with('0');
  const size_t integer = digits();
  if (integer == 0 || (zero && integer > 1)) {
    return false;
  }
  if (take(".") && digits() == 0) {
    return false;
  }
  if (take("eE")) {
    take("+-");
    return digits() > 0 && text.empty();
  }
  return text.empty();
}

// Writes the numbers that simdjson refuses for their size as the nearest double.
class NumberRounder {
 public:
  // The text with its numbers rounded; equal to `text` where there was nothing to round.
  std::string round(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
      const size_t length = token_length(text);
      const std::string_view token = text.substr(0, length);
      out += is_suspect(token) && !fits(token) && is_number(token) ? rounded(token)
                                                                   : std::string(token);
      text.remove_prefix(length);
    }
    return out;
  }

 private:
  // Of a string with its quotes, of a run of characters that numbers are made of, or 1.
  static size_t token_length(std::string_view text) {
    if (text.front() != '"') {
      return std::clamp<size_t>(text.find_first_not_of("0123456789+-.eE"), 1, text.size());
    }
    size_t end = 1;
    while (end < text.size() && text[end] != '"') {
      end += text[end] == '\\' ? 2 : 1;
    }
    return std::min(end + 1, text.size());
  }

  // Anything shorter without an exponent fits 64 bits.
  static bool is_suspect(std::string_view token) {
    return (is_digit(token.front()) || token.front() == '-') &&
           (token.size() > 18 || token.find_first_of("eE") != std::string_view::npos);
  }

  bool fits(std::string_view number) {
    return parser_.parse(number.data(), number.size()).error() == simdjson::SUCCESS;
  }

  std::string rounded(std::string_view number) {
    const std::string real = std::string(number) + ".0";
    if (fits(real)) {
      return real;
    }
    return number.front() == '-' ? "-1.7976931348623157e308" : "1.7976931348623157e308";
  }

  simdjson::dom::parser parser_;
};

// The range error of json_number() for what NumberRounder writes.
bool is_beyond_double(double value) {
  return std::abs(value) == std::numeric_limits<double>::max();
}

simdjson::error_code parse_text(simdjson::dom::parser& parser, std::string_view text,
                                JsonValue& root) {
  const simdjson::error_code error =
      parser.allocate(std::max(text.size(), kMinCapacity), kMaxDepth);
  return error != simdjson::SUCCESS ? error : parser.parse(text.data(), text.size()).get(root);
}

}  // namespace

Result<JsonDocument> JsonDocument::parse(std::string_view text, std::string name) {
  JsonDocument document;
  document.name_ = std::move(name);
  document.parser_ = std::make_unique<simdjson::dom::parser>();
  simdjson::error_code error = parse_text(*document.parser_, text, document.root_);
  if (error != simdjson::SUCCESS && error != simdjson::MEMALLOC) {
    const std::string rounded = NumberRounder().round(text);
    if (rounded != text) {
      error = parse_text(*document.parser_, rounded, document.root_);
    }
  }
  if (error == simdjson::MEMALLOC) {
    return out_of_memory(document.name_ + ": no memory to parse " + std::to_string(text.size()) +
                         " bytes of JSON");
  }
  if (error != simdjson::SUCCESS) {
    return format_error(document.name_ + ": not valid JSON (" + std::to_string(text.size()) +
                        " bytes): " + simdjson::error_message(error));
  }
  return document;
}

bool json_has(JsonValue object, std::string_view key) {
  JsonObject members;
  return object.get_object().get(members) == simdjson::SUCCESS &&
         members.at_key(key).error() == simdjson::SUCCESS;
}

std::optional<JsonValue> json_member(JsonValue object, std::string_view key) {
  JsonObject members;
  if (object.get_object().get(members) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  std::optional<JsonValue> found;
  for (const auto& member : members) {
    if (member.key == key) {
      found = member.value;
    }
  }
  return found && !found->is_null() ? found : std::nullopt;
}

Result<std::optional<int64_t>> json_integer(JsonValue object, std::string_view key,
                                            std::string_view where) {
  return lookup<int64_t, int64_t>(object, key, where, "an integer");
}

Result<std::optional<double>> json_number(JsonValue object, std::string_view key,
                                          std::string_view where) {
  ROTOR_ASSIGN(const std::optional<double> value,
               (lookup<double, double>(object, key, where, "a number")));
  if (value && is_beyond_double(*value)) {
    return format_error(std::string(where) + ": key \"" + std::string(key) +
                        "\": expected a number within the range of a double, found a larger one");
  }
  return value;
}

Result<std::optional<bool>> json_bool(JsonValue object, std::string_view key,
                                      std::string_view where) {
  return lookup<bool, bool>(object, key, where, "true or false");
}

Result<std::optional<std::string>> json_string(JsonValue object, std::string_view key,
                                               std::string_view where) {
  return lookup<std::string, std::string_view>(object, key, where, "a string");
}

}  // namespace rotor
