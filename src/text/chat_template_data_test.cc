// SPDX-License-Identifier: Apache-2.0
// Real chat templates of published models, with conversations and the text that Python's Jinja2
// makes of them. Reads $ROTOR_TEST_DATA/chat; without that folder the test says so and skips.
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <iostream>
#include <string>

#include "base/file.h"
#include "base/json.h"
#include "text/chat_template.h"

namespace rotor {
namespace {

std::string data_folder() {
  if (const char* folder = std::getenv("ROTOR_TEST_DATA")) {
    return folder;
  }
  const char* source = std::getenv("ROTOR_SOURCE_DIR");
  return std::string(source != nullptr ? source : ".") + "/../shared/data";
}

std::string member(JsonValue object, std::string_view key) {
  const Result<std::optional<std::string>> found = json_string(object, key, "test data");
  return found.ok() && *found ? **found : "";
}

TEST(ChatTemplateData, PublishedTemplatesRenderAsJinja2RendersThem) {
  const std::string path = data_folder() + "/chat/hfjs-chat-templates.json";
  const Result<std::string> text = read_text_file(path, uint64_t{16} << 20);
  if (!text.ok()) {
    std::cerr << "SKIPPED, published chat templates not compared: " << text.status().message()
              << "\n";
    GTEST_SKIP() << path;
  }
  const Result<JsonDocument> document = JsonDocument::parse(*text, path);
  ASSERT_TRUE(document.ok()) << document.status().message();
  RenderOptions options;
  options.now = std::tm{};  // the day the expected texts were made
  options.now->tm_mday = 10;
  options.now->tm_mon = 6;
  options.now->tm_year = 125;
  size_t compared = 0;
  for (const JsonValue entry : JsonArray(document->root())) {
    SCOPED_TRACE(member(entry, "name"));
    // Two need the tag `generation`, which transformers adds to Jinja2; one is rendered otherwise
    // by the implementation the data comes from.
    const bool differs = member(entry, "jinja2") == "differs";
    compared += member(entry, "jinja2") == "same" ? 1 : 0;
    const Result<ChatTemplate> parsed = ChatTemplate::parse(member(entry, "chat_template"));
    ASSERT_TRUE(parsed.ok()) << parsed.status().message();
    const Result<RenderedText> rendered = parsed->render(*json_member(entry, "data"), options);
    ASSERT_TRUE(rendered.ok()) << rendered.status().message();
    EXPECT_EQ(rendered->text, member(entry, differs ? "jinja2_output" : "target"));
  }
  EXPECT_EQ(compared, 50);
}

}  // namespace
}  // namespace rotor
