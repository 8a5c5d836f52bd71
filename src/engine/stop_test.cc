// SPDX-License-Identifier: Apache-2.0
// Stop strings: found wherever the stream is cut, cut exactly before, nothing of them shown,
// nothing else held back.
#include "engine/stop.h"

#include <gtest/gtest.h>

#include <random>

namespace rotor {
namespace {

struct Outcome {
  std::string shown;
  bool stopped;
  bool operator==(const Outcome&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
  return out << '"' << outcome.shown << '"' << (outcome.stopped ? " stopped" : "");
}

Outcome feed(const std::vector<std::string>& stops, const std::vector<std::string>& pieces) {
  StopMatcher matcher = *StopMatcher::create(stops);
  Outcome outcome{};
  for (const std::string& piece : pieces) {
    if (matcher.append(piece, outcome.shown)) {
      outcome.stopped = true;
      break;
    }
  }
  matcher.finish(outcome.shown);
  return outcome;
}

TEST(StopMatcher, WithoutStopStringsTextPassesAtOnce) {
  StopMatcher matcher = *StopMatcher::create({});
  std::string shown;
  EXPECT_FALSE(matcher.append("abc", shown));
  EXPECT_EQ(shown, "abc");
}

TEST(StopMatcher, CutsExactlyBefore) {
  EXPECT_EQ(feed({"END"}, {"the END of it"}), (Outcome{"the ", true}));
  EXPECT_EQ(feed({"END"}, {"END"}), (Outcome{"", true}));
  EXPECT_EQ(feed({"END"}, {"the EN"}), (Outcome{"the EN", false}));
}

TEST(StopMatcher, HoldsBackOnlyWhatMayStillMatch) {
  StopMatcher matcher = *StopMatcher::create({"\n\nUser:"});
  std::string shown;
  EXPECT_FALSE(matcher.append("Hi.\n", shown));
  EXPECT_EQ(shown, "Hi.");
  EXPECT_FALSE(matcher.append("\n", shown));
  EXPECT_EQ(shown, "Hi.");
  EXPECT_FALSE(matcher.append("\nU", shown));  // the first line feed is now certain
  EXPECT_EQ(shown, "Hi.\n");
  EXPECT_FALSE(matcher.append("h", shown));
  EXPECT_EQ(shown, "Hi.\n\n\nUh");
  EXPECT_TRUE(matcher.append("\n\nUser: next", shown));
  EXPECT_EQ(shown, "Hi.\n\n\nUh");
}

TEST(StopMatcher, OverlappingStopsTheFirstToEndWinsThenTheLongest) {
  EXPECT_EQ(feed({"abcd", "bc"}, {"xabcd"}), (Outcome{"xa", true}));
  EXPECT_EQ(feed({"bc", "abc"}, {"xabc"}), (Outcome{"x", true}));
  EXPECT_EQ(feed({"aab"}, {"aaab"}), (Outcome{"a", true}));
  EXPECT_EQ(feed({"abab", "ba"}, {"ab", "ab"}), (Outcome{"a", true}));
}

TEST(StopMatcher, AFailedStartOfOneMayBeTheMiddleOfAnother) {
  EXPECT_EQ(feed({"abcx", "bcd"}, {"ab", "cd"}), (Outcome{"a", true}));
  EXPECT_EQ(feed({"aaaab", "ab"}, {"aaa", "ac", "ab"}), (Outcome{"aaaac", true}));
}

TEST(StopMatcher, MultiByteCharacters) {
  const std::string stop = "\xE2\x9C\x93";  // U+2713
  EXPECT_EQ(feed({stop}, {"a\xE2\x9C\x94 b\xE2\x9C\x93 c"}), (Outcome{"a\xE2\x9C\x94 b", true}));
  EXPECT_EQ(feed({stop}, {"a\xE2", "\x9C", "\x93"}), (Outcome{"a", true}));
}

TEST(StopMatcher, AfterTheStopTextIsIgnoredUntilReset) {
  StopMatcher matcher = *StopMatcher::create({"."});
  std::string shown;
  EXPECT_TRUE(matcher.append("a.b", shown));
  EXPECT_TRUE(matcher.append("c", shown));
  matcher.finish(shown);
  EXPECT_EQ(shown, "a");
  matcher.reset();
  EXPECT_FALSE(matcher.append("d", shown));
  EXPECT_EQ(shown, "ad");
}

TEST(StopMatcher, EmptyAndBrokenStopStringsAreRefused) {
  EXPECT_EQ(StopMatcher::create({"a", ""}).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(StopMatcher::create({"\x93"}).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(StopMatcher::create({"a\xE2\x9C"}).status().code(), Code::kInvalidArgument);
}

// The rule, literally: the smallest end of any occurrence, then the longest string ending there.
Outcome reference(const std::vector<std::string>& stops, const std::string& text) {
  for (size_t end = 1; end <= text.size(); ++end) {
    size_t longest = 0;
    for (const std::string& stop : stops) {
      if (text.substr(0, end).ends_with(stop)) {
        longest = std::max(longest, stop.size());
      }
    }
    if (longest > 0) {
      return {text.substr(0, end - longest), true};
    }
  }
  return {text, false};
}

TEST(StopMatcher, AgreesWithTheRuleHoweverTheStreamIsCut) {
  std::mt19937 random(3);
  const auto letters = [&](size_t length) {
    std::string text;
    while (text.size() < length) {
      text += static_cast<char>('a' + random() % 2);
    }
    return text;
  };
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::string> stops(1 + random() % 3);
    for (std::string& stop : stops) {
      stop = letters(3 + random() % 5);
    }
    const std::string text = letters(random() % 40);
    std::vector<std::string> pieces;
    for (size_t at = 0; at < text.size();) {
      pieces.push_back(text.substr(at, random() % 6));
      at += pieces.back().size();
    }
    ASSERT_EQ(feed(stops, pieces), reference(stops, text)) << text;
  }
}

}  // namespace
}  // namespace rotor
