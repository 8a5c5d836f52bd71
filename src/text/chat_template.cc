// SPDX-License-Identifier: Apache-2.0
// Brings the variables of a rendering into the template language and runs it.
#include "text/chat_template.h"

#include "base/json.h"
#include "text/jinja/ast.h"
#include "text/jinja/context.h"
#include "text/jinja/machine.h"
#include "text/jinja/parser.h"
#include "text/jinja/runtime.h"
#include "text/unicode.h"

namespace rotor {

Result<ChatTemplate> ChatTemplate::parse(std::string source) {
  ROTOR_ASSIGN(jinja::Program program, jinja::Parser::parse(source));
  return ChatTemplate(std::make_unique<const jinja::Program>(std::move(program)));
}

ChatTemplate::ChatTemplate(std::unique_ptr<const jinja::Program> program)
    : program_(std::move(program)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

const std::string& ChatTemplate::source() const { return program_->source; }

Result<RenderedText> ChatTemplate::render(JsonValue context, const RenderOptions& options) const {
  ROTOR_ASSIGN(jinja::Dict variables, jinja::variables_from_json(context));
  return run(std::move(variables), options);
}

Result<RenderedText> ChatTemplate::render_messages(std::span<const ChatMessage> messages,
                                                   bool add_generation_prompt,
                                                   const RenderOptions& options) const {
  ROTOR_ASSIGN(jinja::Dict variables,
               jinja::variables_from_messages(messages, add_generation_prompt));
  return run(std::move(variables), options);
}

Result<RenderedText> ChatTemplate::run(jinja::Dict variables, const RenderOptions& options) const {
  for (const auto& [name, text] : options.special_tokens) {
    if (valid_utf8_prefix(text) != text.size()) {
      return format_error("expected the special token " + name + " in UTF-8, got " +
                          printable(text));
    }
    variables.set(name, jinja::Value::text(name, true), jinja::Value::text(text, true));
  }
  jinja::Runtime runtime(options.limits, options.now);
  jinja::Machine machine(*program_, runtime);
  ROTOR_ASSIGN(jinja::Text text, machine.run(variables));
  return std::move(text).release();
}

}  // namespace rotor
