// SPDX-License-Identifier: Apache-2.0
// Chat templates: the Jinja dialect in which models describe how a conversation becomes a prompt,
// rendered as Hugging Face's transformers renders it (docs/chat-templates.md). Templates and their
// input are untrusted: a rendering sees nothing but its arguments and is bounded in steps, memory,
// output and depth. Every byte of the result says whether the template or the input wrote it.
#pragma once

#include <rotor/chat.h>
#include <rotor/status.h>

#include <ctime>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/json_value.h"
#include "text/jinja/budget.h"
#include "text/jinja/provenance_text.h"

namespace rotor {

namespace jinja {
struct Program;
class Dict;
}  // namespace jinja

struct RenderOptions {
  RenderLimits limits;
  // Variables that the engine itself supplies, such as {"bos_token", "<s>"}: their bytes count as
  // the template's, so they may become special tokens, and they replace variables of the same name
  // in the context. Never fill this from a request.
  std::vector<std::pair<std::string, std::string>> special_tokens;
  // What strftime_now shows; local time when empty.
  std::optional<std::tm> now;
};

// A parsed template. Immutable; render() may be called from several threads at once.
class ChatTemplate {
 public:
  // kFormatError with line and column for what is no template, kUnsupported for tags that chat
  // templates have no use for (block, include, import, ...). At most 1 MiB.
  static Result<ChatTemplate> parse(std::string source);

  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  // Renders with the members of the JSON object `context` (messages, tools, add_generation_prompt,
  // ...) as variables. kInvalidArgument, with the template's own words and nothing else, when the
  // template refuses its input by raise_exception; kFormatError or kUnsupported, with line and
  // column, for all other failures.
  Result<RenderedText> render(JsonValue context, const RenderOptions& options = {}) const;

  // The same for a plain conversation: `messages` and `add_generation_prompt` are the variables.
  Result<RenderedText> render_messages(std::span<const ChatMessage> messages,
                                       bool add_generation_prompt,
                                       const RenderOptions& options = {}) const;

  // The source with \n for every line end.
  const std::string& source() const;

 private:
  explicit ChatTemplate(std::unique_ptr<const jinja::Program> program);
  Result<RenderedText> run(jinja::Dict variables, const RenderOptions& options) const;

  std::unique_ptr<const jinja::Program> program_;
};

}  // namespace rotor
