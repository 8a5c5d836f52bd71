// SPDX-License-Identifier: Apache-2.0
#include "text/bpe_alphabet.h"

#include <gtest/gtest.h>

#include <set>

#include "text/unicode.h"

namespace rotor {
namespace {

TEST(ByteAlphabet, KnownCharacters) {
  EXPECT_EQ(alphabet_from_bytes(" "), "\u0120");
  EXPECT_EQ(alphabet_from_bytes("\n"), "\u010A");
  EXPECT_EQ(alphabet_from_bytes("A~\xA1\xAC\xAE\xFF"), "A~\u00A1\u00AC\u00AE\u00FF");
  EXPECT_EQ(alphabet_from_bytes(std::string(1, '\0')), "\u0100");
  EXPECT_EQ(alphabet_from_bytes("\x7F\xA0\xAD"), "\u0121\u0142\u0143");
}

TEST(ByteAlphabet, EveryByteHasItsOwnCharacter) {
  std::set<std::string> seen;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string bytes(1, static_cast<char>(byte));
    const std::string text = alphabet_from_bytes(bytes);
    EXPECT_TRUE(seen.insert(text).second);
    EXPECT_EQ(bytes_from_alphabet(text), bytes);
  }
}

TEST(ByteAlphabet, OtherCharactersAreNotInIt) {
  for (const char* text :
       {" ", "\n", "a b", "\u0144", "\u4E00", "\u00AD", "\xFF", "\xC4", "\x7F"}) {
    EXPECT_EQ(bytes_from_alphabet(text), std::nullopt) << printable(text);
  }
  EXPECT_EQ(bytes_from_alphabet(""), "");
}

}  // namespace
}  // namespace rotor
