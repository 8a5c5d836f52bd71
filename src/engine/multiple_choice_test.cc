// SPDX-License-Identifier: Apache-2.0
// Where a context ends and a choice begins, what the rules choose, and the error of a share.
#include "engine/multiple_choice.h"

#include <gtest/gtest.h>

#include <cmath>

namespace rotor {
namespace {

enum : TokenId { kEnd, kBegin, kA, kB, kC, kSpace, kSpaceB, kAB, kE, kAcute };

// "ab" and " b" merge, whatever is a context and what a choice.
Tokenizer tokenizer_of(bool begins) {
  TokenizerSpec spec;
  spec.tokens = {"<end>", "<begin>", "a", "b", "c", " ", " b", "ab", "\xC3", "\xA9"};
  spec.kinds.assign(spec.tokens.size(), TokenKind::kNormal);
  spec.kinds[kEnd] = spec.kinds[kBegin] = TokenKind::kControl;
  spec.merges = {{kSpace, kB}, {kA, kB}};
  spec.eos = kEnd;
  spec.bos = begins ? kBegin : kNoToken;
  spec.add_bos = begins;
  auto tokenizer = Tokenizer::create(std::move(spec));
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  return *std::move(tokenizer);
}

using Tokens = std::vector<TokenId>;

void expect_pair(const Tokenizer& tokenizer, std::string_view context, std::string_view text,
                 const Tokens& context_tokens, const Tokens& text_tokens, bool add_bos = true) {
  const auto pair = encode_pair(tokenizer, context, text, add_bos);
  ASSERT_TRUE(pair.ok()) << pair.status().message();
  EXPECT_EQ(pair->context, context_tokens) << context << "|" << text;
  EXPECT_EQ(pair->continuation, text_tokens) << context << "|" << text;
}

TEST(EncodePair, TheContinuationIsWhatTheWholeHasMore) {
  const Tokenizer plain = tokenizer_of(false);
  expect_pair(plain, "ca", " b", {kC, kA}, {kSpaceB});
  expect_pair(plain, "c", "ab", {kC}, {kAB});
  const Tokenizer begins = tokenizer_of(true);
  expect_pair(begins, "ca", " b", {kBegin, kC, kA}, {kSpaceB});
  expect_pair(begins, "ca", " b", {kC, kA}, {kSpaceB}, false);
}

TEST(EncodePair, SpaceAtTheEndOfTheContextBelongsToTheContinuation) {
  const Tokenizer plain = tokenizer_of(false);
  expect_pair(plain, "ca ", "b", {kC, kA}, {kSpaceB});
  expect_pair(plain, "ca  ", "b", {kC, kA}, {kSpace, kSpaceB});
}

TEST(EncodePair, ATokenAcrossTheBoundaryCountsWithTheContext) {
  // The whole is [ab c], the context alone [a]: one token is left, as in the harness.
  expect_pair(tokenizer_of(false), "a", "bc", {kA}, {kC});
  const auto nothing = encode_pair(tokenizer_of(false), "a", "b", true);
  EXPECT_EQ(nothing.status().code(), Code::kInvalidArgument);
}

TEST(EncodePair, AnEmptyContextIsABeginOrAnEnd) {
  expect_pair(tokenizer_of(true), "", "ab", {kBegin}, {kAB});
  expect_pair(tokenizer_of(true), "", "ab", {kBegin}, {kAB}, false);
  expect_pair(tokenizer_of(false), "", "ab", {kEnd}, {kAB});
  EXPECT_FALSE(encode_pair(tokenizer_of(true), "", "", true).ok());
}

TEST(EncodeQuestion, ChoicesShareTheirContext) {
  const Tokenizer tokenizer = tokenizer_of(true);
  const auto encoded = encode_question(tokenizer, {"ca", {"b", "ab"}, 0}, {" ", true, 100});
  ASSERT_TRUE(encoded.ok());
  ASSERT_EQ(encoded->items.size(), 1u);
  EXPECT_EQ(encoded->items[0].context, (Tokens{kBegin, kC, kA}));
  EXPECT_EQ(encoded->items[0].texts, (std::vector<Tokens>{{kSpaceB}, {kSpace, kAB}}));
  EXPECT_EQ(encoded->cut, 0u);
}

TEST(EncodeQuestion, ALongContextIsCutAtTheLeft) {
  const Tokenizer tokenizer = tokenizer_of(true);
  const ChoiceQuestion question = {"ca", {"b", "ab"}, 0};
  auto encoded = encode_question(tokenizer, question, {" ", true, 3});
  ASSERT_TRUE(encoded.ok());
  ASSERT_EQ(encoded->items.size(), 2u);
  EXPECT_EQ(encoded->items[0].context, (Tokens{kBegin, kC, kA}));
  EXPECT_EQ(encoded->items[1].context, (Tokens{kC, kA}));
  EXPECT_EQ(encoded->cut, 1u);
  EXPECT_TRUE(encode_question(tokenizer, question, {" ", true, 2}).ok());
  EXPECT_FALSE(encode_question(tokenizer, question, {" ", true, 1}).ok());
}

TEST(Choose, DividesByWhatItSays) {
  // Two characters of two bytes each, and three of one.
  const ChoiceQuestion question = {"", {"\xC3\xA9\xC3\xA9", "abc"}, 0};
  ChosenAnswers chosen = choose(question, std::vector<double>{-2.0, -2.5});
  EXPECT_EQ(chosen.plain, 0u);
  EXPECT_EQ(chosen.per_character, 1u);  // -1 against -0.83
  EXPECT_EQ(chosen.per_byte, 0u);       // -0.5 against -0.83
  chosen = choose(question, std::vector<double>{-2.0, -2.0});
  EXPECT_EQ(chosen.plain, 0u) << "the first of equals";
}

TEST(Accuracy, HasTheErrorOfASample) {
  EXPECT_EQ(accuracy(3, 4).value, 0.75);
  // The sample's standard deviation of 1 1 1 0, by sqrt(4).
  EXPECT_NEAR(accuracy(3, 4).error, 0.5 / 2, 1e-15);
  EXPECT_EQ(accuracy(1, 1).error, 0);
  EXPECT_EQ(accuracy(0, 5).error, 0);
}

}  // namespace
}  // namespace rotor
