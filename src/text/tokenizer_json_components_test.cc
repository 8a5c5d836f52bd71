// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer_json_components.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rotor {
namespace {

using testing::HasSubstr;

class Components : public testing::Test {
 protected:
  Result<std::vector<JsonComponent>> read(const std::string& json) {
    auto document = JsonDocument::parse(json, "t");
    EXPECT_TRUE(document.ok()) << document.status().message();
    documents_.push_back(*std::move(document));
    return json_components(documents_.back().root(), "part", "members", "t");
  }

 private:
  std::vector<JsonDocument> documents_;
};

TEST_F(Components, NoneOneOrASequence) {
  EXPECT_TRUE(read("{}")->empty());
  EXPECT_TRUE(read(R"({"part":null})")->empty());
  EXPECT_EQ(read(R"({"part":{"type":"A"}})")->at(0).where, "t: part");
  const auto list = read(R"({"part":{"type":"Sequence","members":[{"type":"A"},{"type":"B"}]}})");
  ASSERT_EQ(list->size(), 2u);
  EXPECT_EQ(list->at(1).type, "B");
  EXPECT_EQ(list->at(1).where, "t: part.members[1]");
  EXPECT_EQ(unsupported_kind(list->at(1), "C").message(),
            "t: part.members[1]: unsupported kind \"B\"; expected C");
}

TEST_F(Components, WhatIsNoComponent) {
  EXPECT_THAT(read(R"({"part":3})").status().message(), HasSubstr("part: expected an object"));
  EXPECT_THAT(read(R"({"part":{}})").status().message(), HasSubstr("part: expected a \"type\""));
  EXPECT_THAT(read(R"({"part":{"type":"Sequence"}})").status().message(),
              HasSubstr("part.members: expected an array"));
}

TEST_F(Components, Patterns) {
  const auto pattern = [&](const std::string& value) {
    return json_pattern(read(R"({"part":{"type":"A","pattern":)" + value + "}}")->at(0));
  };
  EXPECT_EQ(pattern(R"({"String":"a.b"})")->text, "a.b");
  EXPECT_FALSE(pattern(R"({"String":"a.b"})")->is_regex);
  EXPECT_TRUE(pattern(R"({"Regex":"a.b"})")->is_regex);
  EXPECT_THAT(pattern("{}").status().message(), HasSubstr("expected \"Regex\" or \"String\""));
  EXPECT_THAT(pattern("null").status().message(), HasSubstr("expected a \"pattern\""));
}

}  // namespace
}  // namespace rotor
