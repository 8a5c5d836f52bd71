// SPDX-License-Identifier: Apache-2.0
// UTF-8 decoding and a two-stage table of character classes. Letters and numbers come from a fixed
// version of Unicode and not from a library, so that the same text has the same ids everywhere.
#include "text/unicode.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <span>
#include <vector>

namespace rotor {
namespace {

constexpr uint32_t kCodePoints = 0x110000;
constexpr uint32_t kBlockSize = 256;

struct Range {
  uint32_t first;
  uint32_t last;
};

#include "text/unicode_ranges.inc"

// White_Space (25 characters, unchanged since Unicode 6.3) but for line feed and carriage return.
constexpr Range kSpaceRanges[] = {{0x09, 0x09},     {0x0B, 0x0C},     {0x20, 0x20},
                                  {0x85, 0x85},     {0xA0, 0xA0},     {0x1680, 0x1680},
                                  {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F},
                                  {0x205F, 0x205F}, {0x3000, 0x3000}};
constexpr Range kNewlineRanges[] = {{0x0A, 0x0A}, {0x0D, 0x0D}};

using Block = std::array<CharClass, kBlockSize>;

// Most of the 4352 blocks are alike, so the few different ones stay in the cache.
class ClassTable {
 public:
  ClassTable() {
    std::vector<CharClass> classes(kCodePoints, CharClass::kOther);
    const auto fill = [&](std::span<const Range> ranges, CharClass value) {
      for (const Range& range : ranges) {
        std::fill(classes.begin() + range.first, classes.begin() + range.last + 1, value);
      }
    };
    fill(kLetterRanges, CharClass::kLetter);
    fill(kNumberRanges, CharClass::kNumber);
    fill(kSpaceRanges, CharClass::kSpace);
    fill(kNewlineRanges, CharClass::kNewline);
    for (uint32_t block = 0; block < kCodePoints / kBlockSize; ++block) {
      Block members;
      std::copy_n(classes.begin() + block * kBlockSize, kBlockSize, members.begin());
      const auto same = std::find(blocks_.rbegin(), blocks_.rend(), members);
      index_[block] = static_cast<uint16_t>(blocks_.rend() - same - 1);
      if (same == blocks_.rend()) {
        index_[block] = static_cast<uint16_t>(blocks_.size());
        blocks_.push_back(members);
      }
    }
  }

  CharClass operator[](char32_t code_point) const {
    return blocks_[index_[code_point / kBlockSize]][code_point % kBlockSize];
  }

 private:
  std::array<uint16_t, kCodePoints / kBlockSize> index_;
  std::vector<Block> blocks_;
};

}  // namespace

Utf8Char decode_utf8(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[at + i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) {
    return {first, 1, true, false};
  }
  if (first < 0xC2 || first > 0xF4) {
    return {kReplacementCharacter, 1, false, false};
  }
  const uint32_t following = first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
  // The second byte has a narrower range after E0, ED, F0 and F4: no overlong forms, no surrogates,
  // nothing above U+10FFFF.
  uint8_t low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  uint8_t high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  char32_t code_point = first & (0x3F >> following);
  for (uint32_t i = 1; i <= following; ++i) {
    if (at + i >= text.size()) {
      return {kReplacementCharacter, i, false, true};
    }
    if (byte(i) < low || byte(i) > high) {
      return {kReplacementCharacter, i, false, false};
    }
    code_point = code_point << 6 | (byte(i) & 0x3F);
    low = 0x80;
    high = 0xBF;
  }
  return {code_point, following + 1, true, false};
}

void append_utf8(char32_t code_point, std::string& out) {
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
    return;
  }
  const int following = code_point < 0x800 ? 1 : code_point < 0x10000 ? 2 : 3;
  const char32_t lead = following == 1 ? 0xC0 : following == 2 ? 0xE0 : 0xF0;
  out += static_cast<char>(lead | code_point >> (6 * following));
  for (int i = following - 1; i >= 0; --i) {
    out += static_cast<char>(0x80 | (code_point >> (6 * i) & 0x3F));
  }
}

size_t valid_utf8_prefix(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const Utf8Char c = decode_utf8(text, at);
    if (!c.valid) {
      break;
    }
    at += c.length;
  }
  return at;
}

// A character has at most 4 bytes, so the last one starts in the last 4, if they are a character.
size_t last_character(std::string_view text) {
  const size_t last = text.size() - 1;
  size_t at = last;
  while (at > 0 && last - at < 3 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) {
    --at;
  }
  return at + decode_utf8(text, at).length == text.size() ? at : last;
}

bool is_word_character(char32_t code_point) {
  if (char_class(code_point) == CharClass::kLetter) {
    return true;
  }
  // Symbols that are Alphabetic: circled and squared letters.
  const auto is_between = [&](char32_t first, char32_t last) {
    return code_point >= first && code_point <= last;
  };
  if (is_between(0x24B6, 0x24E9) || is_between(0x1F130, 0x1F149) ||
      is_between(0x1F150, 0x1F169) || is_between(0x1F170, 0x1F189) ||
      is_between(0x200C, 0x200D)) {
    return true;
  }
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code_point))) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
      return true;
    default:
      return false;
  }
}

CharClass char_class(char32_t code_point) {
  static const ClassTable table;
  return code_point < kCodePoints ? table[code_point] : CharClass::kOther;
}

std::string printable(std::string_view bytes, size_t limit) {
  std::string out = "\"";
  for (const char c : bytes.substr(0, limit)) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c >= 0x20 && c < 0x7F) {
      out += c;
    } else {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(static_cast<uint8_t>(c)));
    }
  }
  out += bytes.size() > limit ? "...\"" : "\"";
  return out;
}

}  // namespace rotor
