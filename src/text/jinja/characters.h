// SPDX-License-Identifier: Apache-2.0
// What Python's str knows about characters: white space, classes, case mappings, and positions
// counted in characters rather than bytes. Text is UTF-8. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace rotor::jinja {

// As str.isspace() has it: White_Space and the separators U+001C .. U+001F.
bool is_space(char32_t c);
bool is_alphabetic(char32_t c);  // str.isalpha()
bool is_decimal(char32_t c);     // str.isdecimal()
bool is_digit(char32_t c);       // str.isdigit(): also superscripts and the like
bool is_number(char32_t c);      // str.isnumeric(), but for ideographs that are numerals
bool is_upper(char32_t c);
bool is_lower(char32_t c);
bool is_title(char32_t c);
inline bool is_cased(char32_t c) { return is_upper(c) || is_lower(c) || is_title(c); }
// Passed over when a word's end is looked for: marks, modifiers, apostrophes, full stops.
bool is_case_ignorable(char32_t c);
// Whether repr() shows the character as it is.
bool is_printable(char32_t c);

// Append the full case mapping of one character, one to three characters long.
void append_upper(char32_t c, std::string& out);
void append_lower(char32_t c, std::string& out);
void append_title(char32_t c, std::string& out);

size_t count_characters(std::string_view text);
// The byte where character `index` begins; text.size() when there are fewer.
size_t character_offset(std::string_view text, size_t index);
std::string_view trim_end(std::string_view text);

// Position of the first or last `needle` in text[begin, text.size()), or npos. Linear time.
size_t find_bytes(std::string_view text, std::string_view needle, size_t begin);
size_t rfind_bytes(std::string_view text, std::string_view needle);

}  // namespace rotor::jinja
