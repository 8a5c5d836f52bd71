// SPDX-License-Identifier: Apache-2.0
// Normal forms from utf8proc's decomposition and composition. The canonical ordering between them is our
// own: utf8proc's exchanges neighbours, which is quadratic on a long run of combining marks.
#include "text/unicode_normalization.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "text/unicode.h"

namespace rotor {
namespace {

int combining_class(int32_t code_point) {
  return utf8proc_get_property(code_point)->combining_class;
}

bool is_compatibility(NormalForm form) {
  return form == NormalForm::kNfkc || form == NormalForm::kNfkd;
}

bool is_composed(NormalForm form) { return form == NormalForm::kNfc || form == NormalForm::kNfkc; }

void append_decomposed(char32_t code_point, NormalForm form, std::vector<int32_t>& out) {
  std::array<utf8proc_int32_t, 32> parts;  // the longest decomposition has 18 (U+FDFA)
  int boundary = 0;
  const utf8proc_ssize_t count = utf8proc_decompose_char(
      static_cast<utf8proc_int32_t>(code_point), parts.data(), parts.size(),
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE |
                                     (is_compatibility(form) ? UTF8PROC_COMPAT : 0)),
      &boundary);
  out.insert(out.end(), parts.begin(), parts.begin() + std::max<utf8proc_ssize_t>(count, 0));
}

// Sorts every run of combining marks by combining class, keeping the order of equals.
void order_canonically(std::vector<int32_t>& code_points) {
  for (auto begin = code_points.begin(); begin != code_points.end();) {
    const auto marked = [](int32_t c) { return combining_class(c) != 0; };
    begin = std::find_if(begin, code_points.end(), marked);
    const auto end = std::find_if_not(begin, code_points.end(), marked);
    std::stable_sort(begin, end,
                     [](int32_t a, int32_t b) { return combining_class(a) < combining_class(b); });
    begin = end;
  }
}

void append_normalized(std::string_view valid, NormalForm form, std::string& out) {
  std::vector<int32_t> code_points;
  code_points.reserve(valid.size());
  for (size_t at = 0; at < valid.size();) {
    const Utf8Char c = decode_utf8(valid, at);
    append_decomposed(c.code_point, form, code_points);
    at += c.length;
  }
  order_canonically(code_points);
  auto length = static_cast<utf8proc_ssize_t>(code_points.size());
  if (is_composed(form)) {
    length = utf8proc_normalize_utf32(
        code_points.data(), length,
        static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  }
  for (utf8proc_ssize_t i = 0; i < length; ++i) {
    append_utf8(static_cast<char32_t>(code_points[static_cast<size_t>(i)]), out);
  }
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<uint8_t>(c) < 0x80; });
}

}  // namespace

std::string normalize(std::string_view text, NormalForm form) {
  if (is_ascii(text)) {
    return std::string(text);
  }
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t valid = valid_utf8_prefix(text);
    append_normalized(text.substr(0, valid), form, out);
    text.remove_prefix(valid);
    while (!text.empty() && !decode_utf8(text, 0).valid) {
      const size_t broken = decode_utf8(text, 0).length;
      out.append(text.substr(0, broken));
      text.remove_prefix(broken);
    }
  }
  return out;
}

}  // namespace rotor
