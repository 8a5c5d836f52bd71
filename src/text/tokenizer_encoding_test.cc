// SPDX-License-Identifier: Apache-2.0
// The order of the stages that text goes through. What each does alone is tested beside it.
#include "text/tokenizer_encoding.h"

#include <gtest/gtest.h>

#include "text/tokenizer_fixtures.h"

namespace rotor {
namespace {

using Ids = std::vector<TokenId>;

// Characters by themselves; 5 and 6 are added tokens.
TokenizerSpec letters() {
  TokenizerSpec spec;
  spec.model = TokenizerModel::kCharacterBpe;
  spec.tokens = {"<unk>", "a", "b", std::string(kSpaceMark), "x", "<u>", "<c>"};
  spec.kinds.assign(5, TokenKind::kNormal);
  spec.kinds[0] = TokenKind::kControl;
  spec.kinds.insert(spec.kinds.end(), {TokenKind::kUserDefined, TokenKind::kControl});
  spec.unk = 0;
  return spec;
}

TEST(Encoding, EveryStretchIsNormalisedByItself) {
  TokenizerSpec spec = letters();
  spec.normalizers = {{NormalizerKind::kPrepend, "", std::string(kSpaceMark)}};
  EXPECT_EQ(*make_tokenizer(spec).encode("a<u>b"), (Ids{3, 1, 5, 3, 2}));
  EXPECT_EQ(*make_tokenizer(spec).encode("<u><u>"), (Ids{5, 5}));
}

TEST(Encoding, RawTokensComeBeforeNormalisedOnes) {
  TokenizerSpec spec = letters();
  spec.normalizers = {{NormalizerKind::kReplace, "x", "<u>"}};
  spec.normalized = {{5, "<u>"}};
  EXPECT_EQ(*make_tokenizer(spec).encode("axb<u>"), (Ids{1, 5, 2, 5}));
  // A control token is never made by normalising, however trusted the text.
  spec.normalizers = {{NormalizerKind::kReplace, "x", "<c>"}};
  EXPECT_EQ(*make_tokenizer(spec).encode("ax<c>", without_bos(true)), (Ids{1, 0, 0, 0, 6}));
}

TEST(Encoding, TheMarkInFrontStandsBeforeTheFirstStretchAlone) {
  TokenizerSpec spec = letters();
  spec.metaspace = {std::string(kSpaceMark), Metaspace::Prefix::kFirst};
  EXPECT_EQ(*make_tokenizer(spec).encode("a<u>b"), (Ids{3, 1, 5, 2}));
  EXPECT_EQ(*make_tokenizer(spec).encode("<u>b"), (Ids{5, 2}));
  spec.metaspace->prefix = Metaspace::Prefix::kAlways;
  EXPECT_EQ(*make_tokenizer(spec).encode("<u>b <u>"), (Ids{5, 3, 2, 3, 5}));
}

TEST(Encoding, SingleWordsAndStrippedSpaces) {
  TokenizerSpec spec = letters();
  spec.metaspace = {std::string(kSpaceMark), Metaspace::Prefix::kNever};
  spec.single_word = {5};
  EXPECT_EQ(*make_tokenizer(spec).encode("a <u> b"), (Ids{1, 3, 5, 3, 2}));
  EXPECT_EQ(*make_tokenizer(spec).encode("a<u>"), (Ids{1, 0, 0, 0}));
  spec.strip_left = {5};
  spec.strip_right = {5};
  EXPECT_EQ(*make_tokenizer(spec).encode("a  <u> b"), (Ids{1, 5, 2}));
}

}  // namespace
}  // namespace rotor
