// SPDX-License-Identifier: Apache-2.0
#include "text/pretokenize_regex.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rotor {
namespace {

using testing::HasSubstr;

std::vector<std::string> pieces(const std::string& pattern, std::string_view text) {
  const auto regex = SplitRegex::compile(pattern, "test");
  EXPECT_TRUE(regex.ok()) << regex.status().message();
  std::vector<size_t> ends;
  const Status status = regex->split(text, 0, ends);
  EXPECT_TRUE(status.ok()) << status.message();
  std::vector<std::string> list;
  size_t begin = 0;
  for (const size_t end : ends) {
    list.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  EXPECT_EQ(begin, text.size());
  return list;
}

std::string refusal(const std::string& pattern) {
  const auto regex = SplitRegex::compile(pattern, "file");
  EXPECT_EQ(regex.status().code(), Code::kUnsupported);
  return regex.status().message();
}

using Pieces = std::vector<std::string>;

TEST(SplitRegex, MatchesAndGapsArePieces) {
  EXPECT_EQ(pieces("[0-9]+", "ab12cd3"), (Pieces{"ab", "12", "cd", "3"}));
  EXPECT_EQ(pieces("x", "abc"), Pieces{"abc"});
  EXPECT_EQ(pieces("x", ""), Pieces());
  EXPECT_EQ(pieces("\\p{L}+", "a\u00E9\u4E00!"), (Pieces{"a\u00E9\u4E00", "!"}));
  EXPECT_EQ(pieces("^b", "a\nb\nb"), (Pieces{"a\n", "b", "\n", "b"}));
}

TEST(SplitRegex, EmptyMatchesAreNone) {
  EXPECT_EQ(pieces("x*", "axxb"), (Pieces{"a", "xx", "b"}));
  EXPECT_EQ(pieces("\u00E9\\K", "a\u00E9\u4E00"), Pieces{"a\u00E9\u4E00"});
  EXPECT_EQ(pieces("(?=a)", "\u4E00a"), Pieces{"\u4E00a"});
}

TEST(SplitRegex, BrokenBytesAreTheirOwnPieces) {
  EXPECT_EQ(pieces(".",
                   "a\xFF\xC3"
                   "b\xE1\x80"),
            (Pieces{"a", "\xFF\xC3", "b", "\xE1\x80"}));
  EXPECT_EQ(pieces("ab",
                   "a\xFF"
                   "b"),
            (Pieces{"a", "\xFF", "b"}));
}

TEST(SplitRegex, OffsetsAreAdded) {
  std::vector<size_t> ends = {10};
  ASSERT_TRUE(SplitRegex::compile("b", "test")->split("ab", 10, ends).ok());
  EXPECT_EQ(ends, (std::vector<size_t>{10, 11, 12}));
}

TEST(SplitRegex, WhatPcre2RefusesOrReadsDifferently) {
  EXPECT_THAT(refusal("a(b"), HasSubstr("file: split pattern \"a(b\": PCRE2 refuses it: "
                                        "missing closing parenthesis"));
  EXPECT_THAT(refusal("[a&&b]"), HasSubstr("\"&&\" does not mean the same"));
  EXPECT_THAT(refusal("a\\h"), HasSubstr("\"\\\\h\" does not mean the same"));
  EXPECT_THAT(refusal("\\p{N}{1,3}+"), HasSubstr("\"}+\" does not mean the same"));
  EXPECT_THAT(refusal("\\C"), HasSubstr("PCRE2 refuses it"));
  EXPECT_THAT(refusal(std::string("\xFF")), HasSubstr("PCRE2 refuses it"));
  EXPECT_THAT(refusal(std::string(20'000, 'a')), HasSubstr("20000 bytes; expected at most 16384"));
  EXPECT_THAT(refusal(std::string(2000, '(') + std::string(2000, ')')), HasSubstr("nested"));
  EXPECT_THAT(refusal("((((((a{1,500}){1,500}){1,500}){1,500})))"), HasSubstr("too large"));
  EXPECT_TRUE(SplitRegex::compile("a&&b|\\\\h", "test").ok());
}

TEST(SplitRegex, RunawayMatchesHitALimit) {
  // A b further on, so that PCRE2 does not see at once that there cannot be a match.
  const std::string text = std::string(100, 'a') + "cb";
  for (const char* pattern : {"(a+)+b", "(a|a)*b", "(a|aa)+b"}) {
    const auto regex = SplitRegex::compile(pattern, "file");
    ASSERT_TRUE(regex.ok()) << regex.status().message();
    std::vector<size_t> ends;
    const Status status = regex->split(text, 5, ends);
    EXPECT_EQ(status.code(), Code::kUnsupported);
    EXPECT_THAT(status.message(), HasSubstr("hit the match limit of 1000000 steps at byte 5 of the "
                                            "text"))
        << pattern;
  }
}

TEST(SplitRegex, DeepBacktrackingHitsTheStackLimit) {
  const auto regex = SplitRegex::compile("(?:a|b)*c", "file");
  std::vector<size_t> ends;
  const Status status = regex->split(std::string(10'000'000, 'a'), 0, ends);
  EXPECT_EQ(status.code(), Code::kUnsupported);
  EXPECT_THAT(status.message(), HasSubstr("limit of"));
}

}  // namespace
}  // namespace rotor
