// SPDX-License-Identifier: Apache-2.0
#include "model/generation_defaults.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"

namespace rotor {
namespace {

using testing::HasSubstr;

Result<GenerationDefaults> read(const std::string& json) {
  ROTOR_ASSIGN(const JsonDocument document, JsonDocument::parse(json, "g"));
  return read_generation_defaults(document.root(), document.name());
}

TEST(GenerationDefaults, TakesWhatIsInRange) {
  const auto good = read(R"({"temperature":0.6,"top_p":0.9,"top_k":40,"do_sample":true})");
  ASSERT_TRUE(good.ok()) << good.status().message();
  EXPECT_EQ(*good, (GenerationDefaults{0.6f, 0.9f, 40, true}));
  const auto bounds = read(R"({"temperature":100,"top_p":1,"top_k":2147483647})");
  ASSERT_TRUE(bounds.ok()) << bounds.status().message();
  EXPECT_EQ(*bounds, (GenerationDefaults{100.0f, 1.0f, 2147483647, {}}));
}

TEST(GenerationDefaults, LeavesOutWhatNoSamplerCouldFollow) {
  for (const char* json : {R"({})", R"({"temperature":-1,"top_p":0,"top_k":-1})",
                           R"({"temperature":100.5,"top_p":1.5,"top_k":2147483648})"}) {
    const auto defaults = read(json);
    ASSERT_TRUE(defaults.ok()) << defaults.status().message();
    EXPECT_EQ(*defaults, GenerationDefaults()) << json;
  }
}

TEST(GenerationDefaults, NamesAValueOfTheWrongType) {
  for (const std::string key : {"temperature", "top_p", "top_k", "do_sample"}) {
    const Status status = read("{\"" + key + "\":\"high\"}").status();
    EXPECT_THAT(status.message(), HasSubstr("g: key \"" + key + "\": expected")) << key;
  }
}

}  // namespace
}  // namespace rotor
