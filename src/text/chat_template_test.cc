// SPDX-License-Identifier: Apache-2.0
// The public face of chat templates: the prompts of the ternary models, what counts as variables,
// and what errors say.
#include "text/chat_template.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "base/json.h"

namespace rotor {
namespace {

const std::vector<ChatMessage> kConversation = {
    {"system", "You are terse. "}, {"user", "Hi\n"}, {"assistant", "Hello"}, {"user", "Bye"}};

ChatTemplate parse(const std::string& source) {
  Result<ChatTemplate> parsed = ChatTemplate::parse(source);
  EXPECT_TRUE(parsed.ok()) << parsed.status().message();
  return *std::move(parsed);
}

std::string prompt(const std::string& source, const RenderOptions& options = {}) {
  const Result<RenderedText> rendered = parse(source).render_messages(kConversation, true, options);
  EXPECT_TRUE(rendered.ok()) << rendered.status().message();
  return rendered.ok() ? rendered->text : "";
}

Result<RenderedText> render_json(const std::string& source, std::string_view json) {
  const Result<JsonDocument> context = JsonDocument::parse(json, "context");
  EXPECT_TRUE(context.ok());
  return parse(source).render(context->root());
}

std::string parse_error(const std::string& source) {
  const Result<ChatTemplate> parsed = ChatTemplate::parse(source);
  EXPECT_FALSE(parsed.ok()) << source;
  return parsed.status().message();
}

std::string render_error(const std::string& source) {
  const Result<RenderedText> rendered = parse(source).render_messages(kConversation, true);
  EXPECT_FALSE(rendered.ok()) << source;
  return rendered.status().message();
}

TEST(ChatTemplate, BitNet2B4T) {
  EXPECT_EQ(prompt("{% for message in messages %}{{ message['role'] | capitalize + ': ' + "
                   "message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
                   "{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}"),
            "System: You are terse.<|eot_id|>User: Hi<|eot_id|>Assistant: Hello<|eot_id|>"
            "User: Bye<|eot_id|>Assistant: ");
}

TEST(ChatTemplate, Llama3) {
  RenderOptions options;
  options.special_tokens = {{"bos_token", "<|begin_of_text|>"}};
  EXPECT_EQ(prompt("{% set loop_messages = messages %}{% for message in loop_messages %}"
                   "{% set content = '<|start_header_id|>' + message['role'] + "
                   "'<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}"
                   "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}"
                   "{{ content }}{% endfor %}{% if add_generation_prompt %}"
                   "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
                   options),
            "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nYou are terse."
            "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nHello<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n");
}

TEST(ChatTemplate, Falcon3) {
  EXPECT_EQ(prompt("{%- for message in messages %}\n"
                   "  {{- '<|' + message['role'] + '|>\n' + message['content'] + '\n' }}\n"
                   "{%- endfor %}\n"
                   "{%- if add_generation_prompt %}{{- '<|assistant|>\n' }}{%- endif %}\n"),
            "<|system|>\nYou are terse. \n<|user|>\nHi\n\n<|assistant|>\nHello\n<|user|>\nBye\n"
            "<|assistant|>\n");
}

TEST(ChatTemplate, ChatMl) {
  EXPECT_EQ(prompt("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + "
                   "message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
                   "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"),
            "<|im_start|>system\nYou are terse. <|im_end|>\n<|im_start|>user\nHi\n<|im_end|>\n"
            "<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n"
            "<|im_start|>assistant\n");
}

TEST(ChatTemplate, MessagesAndJsonGiveTheSameVariables) {
  const std::string source = "{{ messages }}{{ add_generation_prompt }}";
  const std::vector<ChatMessage> messages = {{"user", "a\"b"}};
  const Result<RenderedText> plain = parse(source).render_messages(messages, false);
  const Result<RenderedText> json = render_json(
      source, R"({"messages":[{"role":"user","content":"a\"b"}],"add_generation_prompt":false})");
  ASSERT_TRUE(plain.ok() && json.ok());
  EXPECT_EQ(plain->text, "[{'role': 'user', 'content': 'a\"b'}]False");
  EXPECT_EQ(plain->text, json->text);
  EXPECT_EQ(plain->spans, json->spans);
}

TEST(ChatTemplate, EngineTokensReplaceThoseOfTheContext) {
  RenderOptions options;
  options.special_tokens = {{"bos_token", "<s>"}};
  const Result<JsonDocument> context = JsonDocument::parse(R"({"bos_token":"forged"})", "context");
  const Result<RenderedText> rendered = parse("{{ bos_token }}").render(context->root(), options);
  ASSERT_TRUE(rendered.ok());
  EXPECT_EQ(rendered->text, "<s>");
  EXPECT_EQ(rendered->spans, (std::vector<Span>{{3, true}}));
}

TEST(ChatTemplate, RefusalIsTheTemplatesOwnWords) {
  const Result<RenderedText> rendered =
      parse(
          "{% macro f() %}{{ raise_exception('roles must alternate, ' ~ messages|length) }}"
          "{% endmacro %}{% if f() %}{% endif %}")
          .render_messages(kConversation, true);
  ASSERT_FALSE(rendered.ok());
  EXPECT_EQ(rendered.status().code(), Code::kInvalidArgument);
  EXPECT_EQ(rendered.status().message(), "roles must alternate, 4");
}

TEST(ChatTemplate, ParseErrorsSayWhereWhatAndWhat) {
  EXPECT_EQ(parse_error("a\n  {% if x %}\nb"),
            "line 3, column 2: expected {% elif %} or {% else %} or {% endif %}, "
            "got the end of the template");
  EXPECT_EQ(parse_error("{{ a + }}"), "line 1, column 8: expected an expression, got }}");
  EXPECT_EQ(parse_error("{{ [1, 2) }}"), "line 1, column 9: expected ], got )");
  EXPECT_EQ(parse_error("\xC3\xA9{{ 'a }}"), "line 1, column 5: this string never ends");
  EXPECT_EQ(parse_error("{% include 'x' %}"),
            "line 1, column 4: expected a tag that chat templates use, got \"include\"");
  EXPECT_EQ(ChatTemplate::parse("{% block x %}{% endblock %}").status().code(), Code::kUnsupported);
  EXPECT_EQ(ChatTemplate::parse("{{").status().code(), Code::kFormatError);
}

TEST(ChatTemplate, RenderErrorsSayWhereWhatAndWhat) {
  EXPECT_EQ(render_error("\n{{ 'x' + nope }}"),
            "line 2, column 8: expected \"nope\" to be defined, got nothing of that name");
  EXPECT_EQ(render_error("{{ messages[0].tool.name }}"),
            "line 1, column 20: expected \"tool\" to be defined, got nothing of that name");
  EXPECT_EQ(render_error("{{ messages | join(1, 2, 3, 4) }}"),
            "line 1, column 15: join: expected at most 3 arguments, got 5");
  EXPECT_EQ(render_error("{{ 'x' | xmlattr }}"),
            "line 1, column 10: expected a filter that Rotor has, got \"xmlattr\"");
  EXPECT_EQ(render_error("{{ 1 < 'a' }}"),
            "line 1, column 6: expected two values of one ordered type, got int and str");
}

TEST(ChatTemplate, ContextMustBeAnObjectOfWhatTemplatesKnow) {
  EXPECT_FALSE(render_json("x", "[]").ok());
  EXPECT_FALSE(render_json("x", R"({"n":18446744073709551615})").ok());
  EXPECT_TRUE(render_json("x", R"({"n":9223372036854775807})").ok());
  const Result<RenderedText> bytes =
      parse("x").render_messages(std::vector<ChatMessage>{{"user", "\xFF"}}, true);
  EXPECT_FALSE(bytes.ok());
  const Result<RenderedText> last = render_json("{{ a }}", R"({"a":1,"a":2})");
  ASSERT_TRUE(last.ok());
  EXPECT_EQ(last->text, "2");
}

TEST(ChatTemplate, RendersInSeveralThreadsAtOnce) {
  const ChatTemplate shared = parse(
      "{% macro f(m) %}{{ m.role ~ ': ' ~ m.content|trim }}{% endmacro %}"
      "{% for m in messages %}{{ f(m) }};{% endfor %}");
  std::vector<std::thread> threads;
  std::vector<std::string> texts(4);
  for (std::string& text : texts) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        const Result<RenderedText> rendered = shared.render_messages(kConversation, true);
        text = rendered.ok() ? rendered->text : rendered.status().message();
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const std::string& text : texts) {
    EXPECT_EQ(text, "system: You are terse.;user: Hi;assistant: Hello;user: Bye;");
  }
}

}  // namespace
}  // namespace rotor
