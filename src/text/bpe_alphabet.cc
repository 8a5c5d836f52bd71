// SPDX-License-Identifier: Apache-2.0
// The table of GPT-2's byte alphabet in both directions.
#include "text/bpe_alphabet.h"

#include <array>

#include "text/unicode.h"

namespace rotor {
namespace {

constexpr char32_t kAlphabetEnd = 0x144;  // one past the last character in use

constexpr bool stands_for_itself(uint32_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct Alphabet {
  std::array<char32_t, 256> character{};
  std::array<int16_t, kAlphabetEnd> byte{};  // -1: not in the alphabet

  constexpr Alphabet() {
    byte.fill(-1);
    char32_t next = 0x100;
    for (uint32_t b = 0; b < 256; ++b) {
      character[b] = stands_for_itself(b) ? b : next++;
      byte[character[b]] = static_cast<int16_t>(b);
    }
  }
};

constexpr Alphabet kAlphabet;

}  // namespace

std::optional<std::string> bytes_from_alphabet(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    if (c.code_point >= kAlphabetEnd || kAlphabet.byte[c.code_point] < 0) {
      return std::nullopt;
    }
    bytes += static_cast<char>(kAlphabet.byte[c.code_point]);
    at += c.length;
  }
  return bytes;
}

std::string alphabet_from_bytes(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) {
    append_utf8(kAlphabet.character[static_cast<uint8_t>(byte)], text);
  }
  return text;
}

}  // namespace rotor
