// SPDX-License-Identifier: Apache-2.0
#include "model/hf_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rotor {
namespace {

using testing::HasSubstr;

TEST(HfFields, SizesAreWholeAndNotNegative) {
  const auto document = JsonDocument::parse(R"({"a":7,"none":null,"below":-1,"text":"7"})", "f");
  ASSERT_TRUE(document.ok());
  const JsonValue root = document->root();
  EXPECT_EQ(*optional_size(root, "a", "f"), 7u);
  EXPECT_EQ(*optional_size(root, "none", "f"), std::nullopt);
  EXPECT_EQ(*optional_size(root, "absent", "f"), std::nullopt);
  EXPECT_THAT(optional_size(root, "below", "f").status().message(), HasSubstr("expected a size, got -1"));
  EXPECT_EQ(optional_size(root, "text", "f").status().code(), Code::kFormatError);
  EXPECT_EQ(*required_size(root, "a", "f"), 7u);
  EXPECT_EQ(required_size(root, "none", "f").status().message(), "f: required field 'none' is missing");
}

TEST(HfFields, ANumberThatIsAbsentChangesNothing) {
  const auto document = JsonDocument::parse(R"({"a":0.5,"none":null,"text":"7"})", "f");
  ASSERT_TRUE(document.ok());
  double out = 3.0;
  EXPECT_TRUE(read_number(document->root(), "none", "f", out).ok());
  EXPECT_TRUE(read_number(document->root(), "absent", "f", out).ok());
  EXPECT_EQ(out, 3.0);
  EXPECT_TRUE(read_number(document->root(), "a", "f", out).ok());
  EXPECT_EQ(out, 0.5);
  EXPECT_EQ(read_number(document->root(), "text", "f", out).code(), Code::kFormatError);
}

}  // namespace
}  // namespace rotor
