// SPDX-License-Identifier: Apache-2.0
// JsonDocument on JSONTestSuite (every y_ accepted, every n_ refused, every i_ survived), its depth
// limit, and the typed lookups with their messages.
#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "base/file.h"

namespace rotor {
namespace {

using testing::HasSubstr;

std::filesystem::path test_data() {
  if (const char* folder = std::getenv("ROTOR_TEST_DATA")) {
    return folder;
  }
  const char* source = std::getenv("ROTOR_SOURCE_DIR");
  return std::filesystem::path(source == nullptr ? "." : source) / "../shared/data";
}

TEST(Json, ConformanceSuite) {
  const std::filesystem::path folder = test_data() / "hostile/JSONTestSuite/test_parsing";
  if (!std::filesystem::exists(folder)) {
    std::cerr << "SKIPPED: no " << folder << "; set ROTOR_TEST_DATA\n";
    GTEST_SKIP() << "no " << folder;
  }
  int accepted = 0;
  int refused = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    const auto text = read_text_file(entry.path(), 1 << 20);
    ASSERT_TRUE(text.ok()) << text.status().message();
    const bool ok = JsonDocument::parse(*text, name).ok();
    if (name.starts_with("y_")) {
      EXPECT_TRUE(ok) << name;
      ++accepted;
    } else if (name.starts_with("n_")) {
      EXPECT_FALSE(ok) << name;
      ++refused;
    }
  }
  EXPECT_EQ(accepted, 95);
  EXPECT_EQ(refused, 188);
}

TEST(Json, DepthLimit) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(JsonDocument::parse(nested(63), "t").ok());
  EXPECT_FALSE(JsonDocument::parse(nested(65), "t").ok());
  EXPECT_FALSE(JsonDocument::parse(nested(1000000), "t").ok());
  EXPECT_FALSE(JsonDocument::parse(std::string(1000000, '['), "t").ok());
}

TEST(Json, SurvivesMovesAndLosesNoText) {
  std::string text = R"({"a": {"b": "c"}})";
  auto parsed = JsonDocument::parse(text, "config.json");
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  text.assign(text.size(), 'x');
  const JsonDocument moved = *std::move(parsed);
  const auto inner = json_member(moved.root(), "a");
  ASSERT_TRUE(inner.has_value());
  EXPECT_EQ(**json_string(*inner, "b", moved.name()), "c");
}

TEST(Json, TypedLookups) {
  const auto document = JsonDocument::parse(
      R"({"i": -3, "big": 18446744073709551615, "x": 2.5, "t": true, "s": "hi", "n": null})", "c");
  ASSERT_TRUE(document.ok());
  const JsonValue root = document->root();
  EXPECT_EQ(**json_integer(root, "i", "c"), -3);
  EXPECT_EQ(**json_number(root, "x", "c"), 2.5);
  EXPECT_EQ(**json_number(root, "i", "c"), -3.0);
  EXPECT_EQ(**json_bool(root, "t", "c"), true);
  EXPECT_EQ(**json_string(root, "s", "c"), "hi");
  EXPECT_EQ(*json_string(root, "n", "c"), std::nullopt);
  EXPECT_EQ(*json_string(root, "absent", "c"), std::nullopt);
  EXPECT_FALSE(json_integer(root, "big", "c").ok());
  EXPECT_EQ(
      json_integer(root, "x", "config.json").status().message(),
      "config.json: key \"x\": expected an integer, found a number with a fraction or exponent");
  EXPECT_THAT(json_bool(root, "s", "c").status().message(), HasSubstr("found a string"));
  EXPECT_EQ(json_member(*json_member(root, "i"), "x"), std::nullopt);
}

TEST(Json, NullIsThere) {
  const auto document = JsonDocument::parse(R"({"n": null, "i": 1})", "c");
  ASSERT_TRUE(document.ok());
  EXPECT_TRUE(json_has(document->root(), "n"));
  EXPECT_FALSE(json_has(document->root(), "x"));
  EXPECT_FALSE(json_has(*json_member(document->root(), "i"), "n"));
}

TEST(Json, TheLastOfSeveralMembersCounts) {
  const auto document = JsonDocument::parse(R"({"a": 1, "b": 5, "a": 2, "b": null})", "c");
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(*json_integer(document->root(), "a", "c"), 2);
  EXPECT_EQ(*json_integer(document->root(), "b", "c"), std::nullopt);
}

TEST(Json, NumbersOfAnySizeAreAccepted) {
  const std::string digits(400, '9');
  const auto document = JsonDocument::parse(
      R"({"model_max_length": 1000000000000000019884624838656, "least": -9223372036854775809,)"
      R"( "s": "\"1e999, 100000000000000000000000", "huge": )" +
          digits + R"(, "e": [1e999, -1E+400, 1e-999], "i": -9223372036854775808, "x": 0.5})",
      "c");
  ASSERT_TRUE(document.ok()) << document.status().message();
  const JsonValue root = document->root();
  EXPECT_EQ(**json_number(root, "model_max_length", "c"), 1e30);
  EXPECT_EQ(**json_number(root, "least", "c"), -0x1p63);
  EXPECT_EQ(**json_string(root, "s", "c"), "\"1e999, 100000000000000000000000");
  EXPECT_EQ(**json_integer(root, "i", "c"), INT64_MIN);
  EXPECT_EQ(**json_number(root, "x", "c"), 0.5);
  EXPECT_EQ(json_member(root, "e")->get_array().size(), 3U);
  EXPECT_EQ(json_integer(root, "model_max_length", "f.json").status().message(),
            "f.json: key \"model_max_length\": expected an integer, found a number beyond 64 bits");
  EXPECT_THAT(json_number(root, "huge", "f.json").status().message(),
              HasSubstr("f.json: key \"huge\": expected a number within the range of a double"));
}

TEST(Json, NumbersBeyond64BitsDoNotExcuseOtherErrors) {
  const std::string big = "100000000000000000000000";
  EXPECT_TRUE(JsonDocument::parse("[" + big + ", -" + big + "]", "t").ok());
  EXPECT_TRUE(JsonDocument::parse(big, "t").ok());
  for (const std::string& text : std::initializer_list<std::string>{
        "[0" + big + "]", "[+" + big + "]", "[" + big + ".]", "[." + big + "]", "[" + big + "e]",
        "[" + big + "-1]", "[--" + big + "]", "[" + big + " 1]", "[" + big, "[" + big + ",]",
        "[1e999e1]", "[1e999" + std::string(1, '\0') + "]", "[" + big + "x]", "[x" + big + "]",
        "{" + big + ": 1}", "[\"a\"" + big + "]", "[\"" + big, "[" + big + ", \"\\",
        "[" + big + ", \"\xff\"]", std::string(65, '[') + big + std::string(65, ']')}) {
    const Status status = JsonDocument::parse(text, "t").status();
    EXPECT_EQ(status.code(), Code::kFormatError) << text;
    EXPECT_THAT(status.message(),
                HasSubstr("t: not valid JSON (" + std::to_string(text.size()) + " bytes)"));
  }
}

TEST(Json, MessageNamesTheDocument) {
  const Status status = JsonDocument::parse("{\"a\": }", "x/config.json").status();
  EXPECT_EQ(status.code(), Code::kFormatError);
  EXPECT_THAT(status.message(), HasSubstr("x/config.json: not valid JSON (7 bytes)"));
  EXPECT_FALSE(JsonDocument::parse("", "empty").ok());
}

}  // namespace
}  // namespace rotor
