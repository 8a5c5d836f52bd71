// SPDX-License-Identifier: Apache-2.0
// Small templates for every feature, with what Python's Jinja2 makes of them
// (testdata/templates.json, written by tools/make_template_fixtures.py).
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <string>

#include "base/file.h"
#include "base/json.h"
#include "text/chat_template.h"

namespace rotor {
namespace {

// The day that the fixtures were made for: Thursday, 4 July 2024, 09:05:03.
std::tm fixture_day() {
  std::tm day{};
  day.tm_year = 124;
  day.tm_mon = 6;
  day.tm_mday = 4;
  day.tm_wday = 4;
  day.tm_yday = 185;
  day.tm_hour = 9;
  day.tm_min = 5;
  day.tm_sec = 3;
  return day;
}

Result<RenderedText> render(const std::string& source, JsonValue context) {
  ROTOR_ASSIGN(const ChatTemplate parsed, ChatTemplate::parse(source));
  RenderOptions options;
  options.now = fixture_day();
  return parsed.render(context, options);
}

// "text", "refusal: words" or "error", the same for both sides.
std::string describe(const Result<RenderedText>& result) {
  if (result.ok()) {
    return result->text;
  }
  const bool is_refusal = result.status().code() == Code::kInvalidArgument;
  return is_refusal ? "refusal: " + result.status().message() : "error";
}

std::string expected(JsonValue test) {
  if (const auto output = json_member(test, "output")) {
    return std::string(std::string_view(*output));
  }
  const auto refusal = json_member(test, "refusal");
  return refusal ? "refusal: " + std::string(std::string_view(*refusal)) : "error";
}

TEST(ChatTemplateJinja2, RendersAsJinja2Does) {
  const char* source = std::getenv("ROTOR_SOURCE_DIR");
  const std::string path =
      std::string(source != nullptr ? source : ".") + "/src/text/testdata/templates.json";
  const Result<std::string> text = read_text_file(path, uint64_t{16} << 20);
  ASSERT_TRUE(text.ok()) << text.status().message();
  const Result<JsonDocument> document = JsonDocument::parse(*text, path);
  ASSERT_TRUE(document.ok()) << document.status().message();
  const JsonValue contexts = *json_member(document->root(), "contexts");
  size_t compared = 0;
  for (const JsonValue test : JsonArray(*json_member(document->root(), "cases"))) {
    const std::string_view source_text = *json_member(test, "template");
    const std::string_view context = *json_member(test, "context");
    const Result<RenderedText> got =
        render(std::string(source_text), *json_member(contexts, context));
    EXPECT_EQ(describe(got), expected(test))
        << "template: " << source_text << (got.ok() ? "" : "\nmessage: " + got.status().message());
    ++compared;
  }
  EXPECT_GE(compared, 450);
}

}  // namespace
}  // namespace rotor
