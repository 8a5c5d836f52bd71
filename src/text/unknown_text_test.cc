// SPDX-License-Identifier: Apache-2.0
#include "text/unknown_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rotor {
namespace {

TokenizerSpec spec_with_bytes() {
  TokenizerSpec spec;
  spec.source = "t";
  spec.tokens = {"<unk>", "<0xC3>", "<0xA9>", "<0x41>"};
  spec.kinds = {TokenKind::kControl, TokenKind::kByte, TokenKind::kByte, TokenKind::kNormal};
  spec.byte_fallback = true;
  spec.unk = 0;
  return spec;
}

std::vector<TokenId> add(const TokenizerSpec& spec, std::initializer_list<const char*> characters) {
  const UnknownText unknown(spec);
  std::vector<TokenId> ids;
  bool after_unknown = false;
  for (const char* character : characters) {
    EXPECT_TRUE(unknown.add(character, after_unknown, ids).ok());
  }
  return ids;
}

using Ids = std::vector<TokenId>;

TEST(UnknownText, AllBytesOrTheUnknownToken) {
  TokenizerSpec spec = spec_with_bytes();
  EXPECT_EQ(add(spec, {"\u00e9"}), (Ids{1, 2}));
  EXPECT_EQ(add(spec, {"\u00e8"}), Ids{0});  // no token for its second byte
  EXPECT_EQ(add(spec, {"A"}), Ids{0});       // an ordinary token spelled like a byte
  spec.byte_fallback = false;
  EXPECT_EQ(add(spec, {"\u00e9"}), Ids{0});
}

TEST(UnknownText, RunsAreFusedIfTheModelSaysSo) {
  TokenizerSpec spec = spec_with_bytes();
  EXPECT_EQ(add(spec, {"x", "y", "\u00e9", "z"}), (Ids{0, 0, 1, 2, 0}));
  spec.fuse_unk = true;
  EXPECT_EQ(add(spec, {"x", "y", "\u00e9", "z"}), (Ids{0, 1, 2, 0}));
}

TEST(UnknownText, NeitherIsAnError) {
  TokenizerSpec spec = spec_with_bytes();
  spec.unk = kNoToken;
  Ids ids;
  bool after_unknown = false;
  const Status status = UnknownText(spec).add("x", after_unknown, ids);
  EXPECT_EQ(status.code(), Code::kUnsupported);
  EXPECT_THAT(status.message(), testing::HasSubstr("t: the vocabulary has no token for \"x\""));
}

}  // namespace
}  // namespace rotor
