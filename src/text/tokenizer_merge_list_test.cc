// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer_merge_list.h"

#include <gtest/gtest.h>

namespace rotor {
namespace {

class MergeList : public testing::Test {
 protected:
  void SetUp() override {
    spec_.source = "file";
    spec_.tokens = {"a", " ", " a", "<s>"};
    spec_.kinds = {TokenKind::kNormal, TokenKind::kNormal, TokenKind::kNormal, TokenKind::kControl};
  }
  std::string error(std::string_view merge) { return MergeListReader(spec_).add(merge).message(); }

  TokenizerSpec spec_;
};

TEST_F(MergeList, BothFormsGiveIds) {
  MergeListReader reader(spec_);
  EXPECT_TRUE(reader.add("\u0120 a").ok());
  EXPECT_TRUE(reader.add("\u0120", "a").ok());
  ASSERT_EQ(spec_.merges.size(), 2u);
  EXPECT_EQ(spec_.merges[0].left, 1);
  EXPECT_EQ(spec_.merges[1].right, 0);
}

TEST_F(MergeList, ErrorsNameTheMergeAndTheHalf) {
  spec_.merges.resize(7);
  EXPECT_EQ(error("ab"), "file: merge 7: expected two tokens and a space between; got \"ab\"");
  EXPECT_EQ(error("a b"), "file: merge 7: expected \"b\" to be in the vocabulary; it is not");
  EXPECT_EQ(error("a  "), "file: merge 7: expected \" \" to be in the vocabulary; it is not");
  EXPECT_EQ(error("<s> a"), "file: merge 7: expected \"<s>\" to be in the vocabulary; it is not");
  EXPECT_EQ(error(" a"), "file: merge 7: expected \"\" to be in the vocabulary; it is not");
}

}  // namespace
}  // namespace rotor
