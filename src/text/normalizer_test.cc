// SPDX-License-Identifier: Apache-2.0
#include "text/normalizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rotor {
namespace {

using testing::HasSubstr;

std::string apply(NormalizerStep step, std::string_view text) {
  const auto out = normalize_by_steps(text, {std::move(step)});
  EXPECT_TRUE(out.ok()) << out.status().message();
  return out.ok() ? *out : std::string();
}

TEST(Normalizer, StepsApplyInOrder) {
  const std::vector<NormalizerStep> steps = {{NormalizerKind::kPrepend, "", "_"},
                                             {NormalizerKind::kReplace, "_", "x y"},
                                             {NormalizerKind::kReplace, " ", "_"}};
  EXPECT_EQ(*normalize_by_steps("a b", steps), "x_ya_b");
  EXPECT_EQ(*normalize_by_steps("", steps), "");
}

TEST(Normalizer, ReplacementsDoNotOverlap) {
  EXPECT_EQ(apply({NormalizerKind::kReplace, "aa", "b"}, "aaaaa"), "bba");
  EXPECT_EQ(apply({NormalizerKind::kReplaceRuns, " ", "_"}, "a b  c     "), "a b_c_");
  EXPECT_EQ(apply({NormalizerKind::kReplace, "a", ""}, "banana"), "bnn");
}

TEST(Normalizer, StripKnowsUnicodeSpaces) {
  EXPECT_EQ(apply({NormalizerKind::kStrip, "", "", true, true}, " \u3000\u00a0a b\n\t"), "a b");
  EXPECT_EQ(apply({NormalizerKind::kStrip, "", "", false, false}, " a "), " a ");
  EXPECT_EQ(apply({NormalizerKind::kStrip, "", "", true, true}, " \n "), "");
  EXPECT_EQ(leading_white_space("\u2028 x "), 4u);
  EXPECT_EQ(trailing_white_space("\u2028 x \u2028"), 4u);
  EXPECT_EQ(trailing_white_space("a\x80"), 0u);
}

TEST(Normalizer, BrokenBytesStay) {
  for (const NormalizerKind kind : {NormalizerKind::kLowercase, NormalizerKind::kStripAccents,
                                    NormalizerKind::kNfkd, NormalizerKind::kStrip}) {
    EXPECT_EQ(apply({kind, "", "", true, true}, "a\xFF\xE1\x80z"), "a\xFF\xE1\x80z");
  }
}

TEST(Normalizer, TextDoesNotGrowWithoutBound) {
  const std::vector<NormalizerStep> doubling(32, {NormalizerKind::kReplace, "a", "aa"});
  EXPECT_THAT(normalize_by_steps("a", doubling).status().message(),
              HasSubstr("normalising makes more than 4160 bytes of 1 bytes"));
  TokenizerSpec spec;
  spec.normalizers.assign(33, {NormalizerKind::kLowercase, "", ""});
  EXPECT_THAT(Normalizer::create(spec).status().message(), HasSubstr("33 normalizers"));
  spec.normalizers = {{NormalizerKind::kReplace, "", "a"}};
  EXPECT_THAT(Normalizer::create(spec).status().message(), HasSubstr("replaces the empty text"));
  spec.normalizers = {{NormalizerKind::kPrepend, "", std::string(513, 'a')}};
  EXPECT_THAT(Normalizer::create(spec).status().message(), HasSubstr("513 bytes"));
}

TEST(Normalizer, SentencePieceRulesReplaceTheSteps) {
  TokenizerSpec spec;
  EXPECT_TRUE(Normalizer::create(spec)->is_identity());
  spec.sentencepiece.emplace();
  const auto normalizer = Normalizer::create(spec);
  EXPECT_FALSE(normalizer->is_identity());
  EXPECT_EQ(*normalizer->apply("  a  b "), "\u2581a\u2581b");
}

}  // namespace
}  // namespace rotor
