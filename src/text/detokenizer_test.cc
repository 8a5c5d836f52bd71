// SPDX-License-Identifier: Apache-2.0
#include "text/detokenizer.h"

#include <gtest/gtest.h>

#include <random>

#include "text/tokenizer_fixtures.h"
#include "text/unicode.h"

namespace rotor {
namespace {

// All at once: each maximal subpart of broken bytes becomes U+FFFD.
std::string lossy(std::string_view bytes) {
  std::string out;
  for (size_t at = 0; at < bytes.size();) {
    const Utf8Char c = decode_utf8(bytes, at);
    append_utf8(c.code_point, out);
    at += c.length;
  }
  return out;
}

// Feeds the stream in the parts that the bits of `cuts` mark and checks what it may never do.
void expect_stream(std::string_view bytes, uint64_t cuts) {
  Utf8Stream stream;
  std::string out;
  size_t begin = 0;
  for (size_t i = 1; i <= bytes.size(); ++i) {
    if (i == bytes.size() || (cuts >> (i - 1) & 1) != 0) {
      const std::string part = stream.push(bytes.substr(begin, i - begin));
      ASSERT_EQ(valid_utf8_prefix(part), part.size());
      ASSERT_LE(stream.held_back(), 3u);
      out += part;
      begin = i;
    }
  }
  out += stream.flush();
  ASSERT_EQ(out, lossy(bytes)) << printable(bytes) << " cut at " << cuts;
  ASSERT_EQ(stream.flush(), "");
}

TEST(Utf8Stream, KnownStreams) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("a\xF0\x9F"), "a");
  EXPECT_EQ(stream.push("\x98"), "");
  EXPECT_EQ(stream.push("\x80z"), "\U0001F600z");
  EXPECT_EQ(stream.push("\xE1\x80"), "");
  EXPECT_EQ(stream.push("\xE2"), "\uFFFD");
  EXPECT_EQ(stream.flush(), "\uFFFD");
  EXPECT_EQ(stream.flush(), "");
}

// Every byte that differs in kind, in every string up to four of them, cut in every way.
TEST(Utf8Stream, AllShortStrings) {
  constexpr std::string_view kKinds(
      "A\x80\x8F\x90\x9F\xA0\xBF\xC1\xC2\xE0\xE1\xED\xEF\xF0\xF1\xF4\xF5\xFF", 18);
  for (size_t length = 1; length <= 4; ++length) {
    size_t strings = 1;
    for (size_t i = 0; i < length; ++i) {
      strings *= kKinds.size();
    }
    for (size_t code = 0; code < strings; ++code) {
      std::string bytes;
      for (size_t rest = code, i = 0; i < length; ++i, rest /= kKinds.size()) {
        bytes += kKinds[rest % kKinds.size()];
      }
      for (uint64_t cuts = 0; cuts < uint64_t{1} << (length - 1); ++cuts) {
        ASSERT_NO_FATAL_FAILURE(expect_stream(bytes, cuts));
      }
    }
  }
}

TEST(Utf8Stream, RandomStringsAndCuts) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 100'000; ++round) {
    std::string bytes;
    for (uint64_t i = random() % 20; i > 0; --i) {
      if (random() % 2 == 0) {
        append_utf8(static_cast<char32_t>(0x80 + random() % 0xD000), bytes);
      } else {
        bytes += static_cast<char>(random());
      }
    }
    ASSERT_NO_FATAL_FAILURE(expect_stream(bytes, random()));
  }
}

TEST(Detokenizer, TokensThatSplitCharacters) {
  const Tokenizer tokenizer = fixture_tokenizer("llama3");
  const std::string text = "snow \u2603 and \U0001F600\U00020000!";
  const auto ids = tokenizer.encode(text);
  ASSERT_TRUE(ids.ok());
  Detokenizer detokenizer(tokenizer);
  std::string out;
  for (const TokenId id : *ids) {
    out += detokenizer.push(id);
  }
  EXPECT_EQ(out + detokenizer.flush(), text);
}

TEST(Detokenizer, SpecialTokensAreSkippedOrShown) {
  const Tokenizer tokenizer = fixture_tokenizer("llama3");
  EXPECT_EQ(Detokenizer(tokenizer).push(tokenizer.bos()), "");
  EXPECT_EQ(Detokenizer(tokenizer, false).push(tokenizer.bos()), "<|begin|>");
  EXPECT_EQ(Detokenizer(tokenizer).push(-1), "");
  EXPECT_EQ(Detokenizer(tokenizer).push(INT32_MAX), "");
}

}  // namespace
}  // namespace rotor
