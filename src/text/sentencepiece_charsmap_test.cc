// SPDX-License-Identifier: Apache-2.0
#include "text/sentencepiece_charsmap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "text/sentencepiece_test_map.h"

namespace rotor {
namespace {

using testing::HasSubstr;

TEST(Charsmap, TheLongestKeyWins) {
  const auto map = SentencePieceCharsmap::create(
      test::charsmap_bytes({{"a", "1"}, {"abc", "333"}, {"b", ""}, {"\u00e9", "e"}}), "t");
  ASSERT_TRUE(map.ok()) << map.status().message();
  EXPECT_EQ(map->longest("abc").length, 3u);
  EXPECT_EQ(map->longest("abc").replacement, "333");
  EXPECT_EQ(map->longest("abd").length, 1u);
  EXPECT_EQ(map->longest("abd").replacement, "1");
  EXPECT_EQ(map->longest("b").length, 1u);
  EXPECT_EQ(map->longest("b").replacement, "");
  EXPECT_EQ(map->longest("\u00e9").replacement, "e");
  EXPECT_EQ(map->longest("\u00e8").length, 0u);
  EXPECT_EQ(map->longest("x").length, 0u);
  EXPECT_EQ(map->longest("").length, 0u);
}

TEST(Charsmap, NoBytesReplaceNothing) {
  EXPECT_EQ(SentencePieceCharsmap::create("", "t")->longest("a").length, 0u);
}

TEST(Charsmap, BrokenMapsAreRefused) {
  const auto error = [](std::string_view bytes) {
    const auto map = SentencePieceCharsmap::create(bytes, "t");
    EXPECT_EQ(map.status().code(), Code::kFormatError);
    return map.status().message();
  };
  using std::string_view_literals::operator""sv;
  EXPECT_THAT(error("abc"), HasSubstr("t: precompiled_charsmap: 3 bytes"));
  EXPECT_THAT(error("\0\0\0\0x\0"sv), HasSubstr("its trie has 0 bytes"));
  EXPECT_THAT(error("\3\0\0\0abcd"sv), HasSubstr("its trie has 3 bytes"));
  EXPECT_THAT(error("\4\0\0\0abcd"sv), HasSubstr("its trie has 4 bytes"));
  EXPECT_THAT(error("\4\0\0\0abcdx"sv), HasSubstr("end in a NUL byte"));
}

// Whatever the units are, every position is checked.
TEST(Charsmap, RandomUnitsAreHarmless) {
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes(4 + 64 + 8, '\0');
    for (char& c : bytes) {
      c = static_cast<char>(random() % 4 == 0 ? random() : random() % 8);
    }
    bytes.replace(0, 4, std::string("\x40\0\0\0", 4));
    bytes.back() = '\0';
    const auto map = SentencePieceCharsmap::create(bytes, "t");
    ASSERT_TRUE(map.ok());
    std::string text(8, 'a');
    for (char& c : text) {
      c = static_cast<char>(random() % 8);
    }
    const auto match = map->longest(text);
    EXPECT_LE(match.length, text.size());
  }
}

}  // namespace
}  // namespace rotor
