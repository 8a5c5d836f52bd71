// SPDX-License-Identifier: Apache-2.0
// Character classes and case mappings on top of utf8proc's data.
#include "text/jinja/characters.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "text/unicode.h"

namespace rotor::jinja {
namespace {

utf8proc_category_t category(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

// utf8proc maps one character to one. Where the full mapping is longer, the character's case
// folding is as well, and mapping what it folds to gives it.
struct Folded {
  std::array<utf8proc_int32_t, 4> characters;
  utf8proc_ssize_t count;
};

Folded fold(char32_t c) {
  Folded folded{};
  int boundary = 0;
  folded.count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), folded.characters.data(),
                                         folded.characters.size(), UTF8PROC_CASEFOLD, &boundary);
  return folded;
}

char32_t simple_upper(utf8proc_int32_t c) { return static_cast<char32_t>(utf8proc_toupper(c)); }
char32_t simple_title(utf8proc_int32_t c) { return static_cast<char32_t>(utf8proc_totitle(c)); }

}  // namespace

bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

bool is_alphabetic(char32_t c) {
  const utf8proc_category_t found = category(c);
  return found >= UTF8PROC_CATEGORY_LU && found <= UTF8PROC_CATEGORY_LO;
}

bool is_decimal(char32_t c) { return category(c) == UTF8PROC_CATEGORY_ND; }

bool is_digit(char32_t c) {
  return is_decimal(c) || c == 0xB2 || c == 0xB3 || c == 0xB9 || c == 0x2070 ||
         (c >= 0x2074 && c <= 0x2079) || (c >= 0x2080 && c <= 0x2089) ||
         (c >= 0x2460 && c <= 0x2468);
}

bool is_number(char32_t c) {
  const utf8proc_category_t found = category(c);
  return found >= UTF8PROC_CATEGORY_ND && found <= UTF8PROC_CATEGORY_NO;
}

bool is_upper(char32_t c) { return utf8proc_isupper(static_cast<utf8proc_int32_t>(c)) != 0; }
bool is_lower(char32_t c) { return utf8proc_islower(static_cast<utf8proc_int32_t>(c)) != 0; }
bool is_title(char32_t c) { return category(c) == UTF8PROC_CATEGORY_LT; }

bool is_case_ignorable(char32_t c) {
  switch (c) {  // the characters of Word_Break MidLetter, MidNumLet and Single_Quote
    case '\'':
    case '.':
    case ':':
    case 0xB7:
    case 0x387:
    case 0x55F:
    case 0x5F4:
    case 0x2018:
    case 0x2019:
    case 0x2024:
    case 0x2027:
    case 0xFE13:
    case 0xFE52:
    case 0xFE55:
    case 0xFF07:
    case 0xFF0E:
    case 0xFF1A:
      return true;
    default:
      break;
  }
  switch (category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      return false;
  }
}

bool is_printable(char32_t c) {
  switch (category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    case UTF8PROC_CATEGORY_ZS:
      return c == ' ';
    default:
      return true;
  }
}

void append_upper(char32_t c, std::string& out) {
  if (c < 0x80) {
    out += static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
    return;
  }
  const Folded folded = fold(c);
  if (folded.count <= 1 || is_upper(c)) {
    append_utf8(simple_upper(static_cast<utf8proc_int32_t>(c)), out);
    return;
  }
  for (utf8proc_ssize_t i = 0; i < folded.count; ++i) {
    append_utf8(simple_upper(folded.characters[static_cast<size_t>(i)]), out);
  }
}

void append_lower(char32_t c, std::string& out) {
  if (c < 0x80) {
    out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    return;
  }
  if (c == 0x130) {  // capital I with dot: the one character whose lower case is longer
    out += "i\u0307";
    return;
  }
  append_utf8(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))), out);
}

void append_title(char32_t c, std::string& out) {
  const Folded folded = fold(c);
  const char32_t simple = simple_title(static_cast<utf8proc_int32_t>(c));
  if (folded.count <= 1 || (simple != c && c != 0xDF) || is_upper(c) || is_title(c)) {
    append_utf8(simple, out);
    return;
  }
  append_utf8(simple_title(folded.characters[0]), out);
  for (utf8proc_ssize_t i = 1; i < folded.count; ++i) {
    append_utf8(static_cast<char32_t>(folded.characters[static_cast<size_t>(i)]), out);
  }
}

size_t count_characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
  }));
}

size_t character_offset(std::string_view text, size_t index) {
  size_t at = 0;
  for (; index > 0 && at < text.size(); --index) {
    at += decode_utf8(text, at).length;
  }
  return at;
}

std::string_view trim_end(std::string_view text) {
  while (!text.empty()) {
    size_t begin = text.size() - 1;
    while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) {
      --begin;
    }
    if (!is_space(decode_utf8(text, begin).code_point)) {
      break;
    }
    text.remove_suffix(text.size() - begin);
  }
  return text;
}

size_t find_bytes(std::string_view text, std::string_view needle, size_t begin) {
  if (begin > text.size()) {
    return std::string_view::npos;
  }
  if (needle.empty()) {
    return begin;
  }
  // memmem is linear in both lengths (two-way search); string_view::find can take their product.
  const void* found =
      memmem(text.data() + begin, text.size() - begin, needle.data(), needle.size());
  return found == nullptr ? std::string_view::npos
                          : static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

size_t rfind_bytes(std::string_view text, std::string_view needle) {
  const std::string reversed_text(text.rbegin(), text.rend());
  const std::string reversed_needle(needle.rbegin(), needle.rend());
  const size_t found = find_bytes(reversed_text, reversed_needle, 0);
  return found == std::string_view::npos ? found : text.size() - found - needle.size();
}

}  // namespace rotor::jinja
