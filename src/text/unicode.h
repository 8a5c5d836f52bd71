// SPDX-License-Identifier: Apache-2.0
// UTF-8 and the Unicode properties that tokenizers split by. Every function is total: bytes that
// are not UTF-8 decode as U+FFFD by the "maximal subpart" rule of the Unicode Standard (section
// 3.9), which is also the rule of the WHATWG Encoding Standard. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace rotor {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;

// One step of decoding.
struct Utf8Char {
  char32_t code_point;  // U+FFFD when the bytes are not UTF-8
  uint32_t length;      // bytes taken, 1 .. 4; for broken bytes the length of the maximal subpart
  bool valid;
  bool truncated;  // not valid, but only because the text ends: more bytes could complete it
};

// Decodes the character that starts at byte `at`. REQUIRES: at < text.size().
Utf8Char decode_utf8(std::string_view text, size_t at);

// Appends the UTF-8 form of `code_point`. REQUIRES: a Unicode scalar value.
void append_utf8(char32_t code_point, std::string& out);

// The length of the longest prefix of `text` that is valid UTF-8.
size_t valid_utf8_prefix(std::string_view text);

// The byte at which the last character starts. REQUIRES: `text` is not empty.
size_t last_character(std::string_view text);

// What a split rule can ask about a character. Line feed and carriage return are white space too,
// but rules name them, so they have a class of their own.
enum class CharClass : uint8_t {
  kOther,    // everything else: marks, punctuation, symbols, controls, unassigned, broken bytes
  kLetter,   // general category L* of Unicode 17.0
  kNumber,   // general category N* of Unicode 17.0
  kSpace,    // White_Space except the two below
  kNewline,  // U+000A and U+000D
};

CharClass char_class(char32_t code_point);

// Whether it is a character of words as regular expressions have it, \w: Alphabetic, marks, decimal
// numbers, connectors, joiners. Letters are those of Unicode 17.0, the rest those of utf8proc.
bool is_word_character(char32_t code_point);

inline bool is_white_space(CharClass c) {
  return c == CharClass::kSpace || c == CharClass::kNewline;
}

// `bytes` between double quotes for an error message: printable ASCII stays, all else becomes \xNN
// or \n, and what is beyond `limit` bytes becomes "...".
std::string printable(std::string_view bytes, size_t limit = 48);

}  // namespace rotor
