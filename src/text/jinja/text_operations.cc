// SPDX-License-Identifier: Apache-2.0
// Case, stripping, splitting, replacing, padding.
#include "text/jinja/text_operations.h"

#include <algorithm>
#include <string>

#include "text/jinja/characters.h"
#include "text/jinja/print.h"
#include "text/unicode.h"

namespace rotor::jinja {
namespace {

// Whether the sigma at `at` ends a word: a cased letter before it and none after, passing over
// marks and the like. Python lowers it to the final form then.
bool is_final_sigma(std::string_view text, size_t at, bool after_cased) {
  if (!after_cased) {
    return false;
  }
  for (size_t next = at + decode_utf8(text, at).length; next < text.size();) {
    const Utf8Char c = decode_utf8(text, next);
    if (is_cased(c.code_point)) {
      return false;
    }
    if (!is_case_ignorable(c.code_point)) {
      return true;
    }
    next += c.length;
  }
  return true;
}

bool wants_upper(Case to, char32_t c) {
  return to == Case::kUpper || (to == Case::kSwap && is_lower(c));
}

bool is_line_end(char32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

bool is_stripped(std::string_view character, const Text* characters) {
  return characters == nullptr ? is_space(decode_utf8(character, 0).code_point)
                               : characters->bytes().find(character) != std::string_view::npos;
}

// Byte where the character that ends at `end` begins.
size_t previous_character(std::string_view bytes, size_t end) {
  do {
    --end;
  } while (end > 0 && (static_cast<unsigned char>(bytes[end]) & 0xC0) == 0x80);
  return end;
}

struct Range {
  size_t begin;
  size_t end;
};

std::vector<Range> words(std::string_view bytes, int64_t limit) {
  std::vector<Range> found;
  size_t at = 0;
  for (;;) {
    while (at < bytes.size() && is_space(decode_utf8(bytes, at).code_point)) {
      at += decode_utf8(bytes, at).length;
    }
    if (at == bytes.size()) {
      return found;
    }
    const size_t begin = at;
    if (limit >= 0 && found.size() == static_cast<size_t>(limit)) {
      found.push_back({begin, bytes.size()});
      return found;
    }
    while (at < bytes.size() && !is_space(decode_utf8(bytes, at).code_point)) {
      at += decode_utf8(bytes, at).length;
    }
    found.push_back({begin, at});
  }
}

std::vector<Range> words_from_right(std::string_view bytes, int64_t limit) {
  std::vector<Range> found;
  size_t end = bytes.size();
  for (;;) {
    end = trim_end(bytes.substr(0, end)).size();
    if (end == 0) {
      break;
    }
    size_t begin = end;
    if (limit >= 0 && found.size() == static_cast<size_t>(limit)) {
      found.push_back({0, end});
      break;
    }
    while (begin > 0) {
      const size_t previous = previous_character(bytes, begin);
      if (is_space(decode_utf8(bytes, previous).code_point)) {
        break;
      }
      begin = previous;
    }
    found.push_back({begin, end});
    end = begin;
  }
  std::reverse(found.begin(), found.end());
  return found;
}

// REQUIRES: a separator that is not empty.
std::vector<Range> fields(std::string_view bytes, std::string_view separator, int64_t limit) {
  std::vector<Range> found;
  size_t begin = 0;
  while (limit < 0 || found.size() < static_cast<size_t>(limit)) {
    const size_t at = find_bytes(bytes, separator, begin);
    if (at == std::string_view::npos) {
      break;
    }
    found.push_back({begin, at});
    begin = at + separator.size();
  }
  found.push_back({begin, bytes.size()});
  return found;
}

// The fields of the reversed text, mirrored.
std::vector<Range> fields_from_right(std::string_view bytes, std::string_view separator,
                                     int64_t limit) {
  const std::string mirrored(bytes.rbegin(), bytes.rend());
  const std::string mirrored_separator(separator.rbegin(), separator.rend());
  std::vector<Range> found = fields(mirrored, mirrored_separator, limit);
  for (Range& range : found) {
    range = {bytes.size() - range.end, bytes.size() - range.begin};
  }
  std::reverse(found.begin(), found.end());
  return found;
}

// REQUIRES: ascending ranges.
std::vector<Text> cut(const Text& text, const std::vector<Range>& ranges) {
  std::vector<Text> parts(ranges.size());
  TextReader reader(text);
  for (size_t i = 0; i < ranges.size(); ++i) {
    reader.skip_to(ranges[i].begin);
    reader.copy_to(ranges[i].end, parts[i]);
  }
  return parts;
}

}  // namespace

Result<Text> change_case(const Text& text, Case to, Budget& budget) {
  ROTOR_TRY(budget.transform(8 * text.size()));  // the slowest of the transformations
  ROTOR_TRY(budget.allocate(text.size()));
  Text out;
  TextReader reader(text);
  const std::string_view bytes = text.bytes();
  bool after_cased = false;
  std::string mapped;  // what follows in `out`, all of one origin
  bool from_template = false;
  while (!reader.at_end()) {
    if (reader.from_template() != from_template) {
      out.append(mapped, from_template);
      mapped.clear();
      from_template = reader.from_template();
    }
    const size_t at = reader.position();
    const Utf8Char c = decode_utf8(bytes, at);
    const bool starts = to == Case::kTitle ? !after_cased : to == Case::kCapitalize && at == 0;
    if (wants_upper(to, c.code_point)) {
      append_upper(c.code_point, mapped);
    } else if (starts) {
      append_title(c.code_point, mapped);
    } else if (c.code_point == 0x3A3 && is_final_sigma(bytes, at, after_cased)) {
      append_utf8(0x3C2, mapped);
    } else if (to != Case::kSwap || is_upper(c.code_point)) {
      append_lower(c.code_point, mapped);
    } else {
      append_utf8(c.code_point, mapped);
    }
    reader.skip(c.length);
    // Title case starts anew after anything without case; a final sigma looks past marks.
    if (to == Case::kTitle || !is_case_ignorable(c.code_point)) {
      after_cased = is_cased(c.code_point);
    }
  }
  out.append(mapped, from_template);
  return out;
}

Result<Text> strip(const Text& text, const Text* characters, Side side, Budget& budget) {
  ROTOR_TRY(budget.scan(text.size()));
  const std::string_view bytes = text.bytes();
  size_t begin = 0;
  size_t end = bytes.size();
  const size_t cost = 1 + (characters != nullptr ? characters->size() / 64 : 0);
  while (side != Side::kRight && begin < end) {
    const size_t length = decode_utf8(bytes, begin).length;
    if (!is_stripped(bytes.substr(begin, length), characters)) {
      break;
    }
    ROTOR_TRY(budget.step(cost));
    begin += length;
  }
  while (side != Side::kLeft && begin < end) {
    const size_t last = previous_character(bytes, end);
    if (!is_stripped(bytes.substr(last, end - last), characters)) {
      break;
    }
    ROTOR_TRY(budget.step(cost));
    end = last;
  }
  ROTOR_TRY(budget.allocate(end - begin));
  return text.slice(begin, end);
}

Result<Text> replace(const Text& text, const Text& from, const Text& to, int64_t limit,
                     Budget& budget) {
  ROTOR_TRY(budget.scan(text.size() + from.size()));
  ROTOR_TRY(budget.allocate(text.size()));
  const std::string_view bytes = text.bytes();
  Text out;
  TextReader reader(text);
  for (int64_t done = 0; limit < 0 || done < limit; ++done) {
    const size_t at = find_bytes(bytes, from.bytes(), reader.position());
    if (at == std::string_view::npos) {
      break;
    }
    ROTOR_TRY(budget.step());
    ROTOR_TRY(budget.allocate(to.size()));
    reader.copy_to(at, out);
    out.append(to);
    if (!from.empty()) {
      reader.skip(from.size());
      continue;
    }
    if (reader.at_end()) {  // an empty `from` is found before every character and at the end
      break;
    }
    reader.copy(decode_utf8(bytes, at).length, out);
  }
  reader.copy_to(text.size(), out);
  return out;
}

Result<std::vector<Text>> split(const Text& text, const Text* separator, int64_t limit, Side from,
                                Budget& budget) {
  if (separator != nullptr && separator->empty()) {
    return format_error("expected a separator to split at, got an empty one");
  }
  ROTOR_TRY(budget.transform(text.size()));
  ROTOR_TRY(budget.allocate(text.size()));
  const bool from_right = from == Side::kRight;
  const std::string_view bytes = text.bytes();
  const std::vector<Range> ranges =
      separator == nullptr ? (from_right ? words_from_right(bytes, limit) : words(bytes, limit))
      : from_right         ? fields_from_right(bytes, separator->bytes(), limit)
                           : fields(bytes, separator->bytes(), limit);
  ROTOR_TRY(budget.step(ranges.size()));
  return cut(text, ranges);
}

Result<std::vector<Text>> split_lines(const Text& text, bool keep_ends, Budget& budget) {
  ROTOR_TRY(budget.transform(text.size()));
  ROTOR_TRY(budget.allocate(text.size()));
  const std::string_view bytes = text.bytes();
  std::vector<Range> ranges;
  size_t begin = 0;
  for (size_t at = 0; at < bytes.size();) {
    const Utf8Char c = decode_utf8(bytes, at);
    size_t next = at + c.length;
    if (is_line_end(c.code_point)) {
      next += c.code_point == '\r' && next < bytes.size() && bytes[next] == '\n' ? 1 : 0;
      ranges.push_back({begin, keep_ends ? next : at});
      begin = next;
    }
    at = next;
  }
  if (begin < bytes.size()) {
    ranges.push_back({begin, bytes.size()});
  }
  return cut(text, ranges);
}

Result<Text> justify(const Text& text, int64_t width, const Text& fill, Side side, Budget& budget) {
  ROTOR_TRY(budget.scan(text.size()));
  const auto length = static_cast<int64_t>(count_characters(text.bytes()));
  const int64_t missing = std::max<int64_t>(width - length, 0);
  ROTOR_TRY(budget.step(static_cast<uint64_t>(missing)));
  ROTOR_TRY(budget.allocate(text.size() + static_cast<size_t>(missing) * fill.size()));
  // Python's str.center() puts the odd one to the left when the width is odd.
  const int64_t left = side == Side::kLeft    ? 0
                       : side == Side::kRight ? missing
                                              : missing / 2 + (missing & width & 1);
  Text out;
  for (int64_t i = 0; i < left; ++i) {
    out.append(fill);
  }
  out.append(text);
  for (int64_t i = left; i < missing; ++i) {
    out.append(fill);
  }
  return out;
}

Status append_escaped(const Value& value, Runtime& runtime, Text& out) {
  ROTOR_ASSIGN(const TextRef text, to_text(value, runtime));
  Budget& budget = runtime.budget();
  ROTOR_TRY(budget.transform(text->size()));
  ROTOR_TRY(budget.allocate(text->size()));
  if (value.markup()) {
    out.append(*text);
    return Status();
  }
  const std::string_view bytes = text->bytes();
  TextReader reader(*text);
  while (!reader.at_end()) {
    const size_t special = std::min(bytes.find_first_of("&<>'\"", reader.position()), bytes.size());
    reader.copy_to(special, out);
    if (reader.at_end()) {
      break;
    }
    const char c = bytes[special];
    const std::string_view entity = c == '&'   ? "&amp;"
                                    : c == '<' ? "&lt;"
                                    : c == '>' ? "&gt;"
                                    : c == '"' ? "&#34;"
                                               : "&#39;";
    out.append(entity, reader.from_template());
    reader.skip(1);
  }
  return Status();
}

Result<Value> make_text_list(std::vector<Text> texts, Runtime& runtime) {
  std::vector<Value> items;
  for (Text& text : texts) {
    ROTOR_ASSIGN(Value item, runtime.make_text(std::move(text)));
    items.push_back(std::move(item));
  }
  return runtime.make_sequence(Sequence::Type::kList, std::move(items));
}

}  // namespace rotor::jinja
