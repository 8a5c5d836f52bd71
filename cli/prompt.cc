// SPDX-License-Identifier: Apache-2.0
#include "prompt.h"

#include <fmt/core.h>

#include <utility>

#include "terminal.h"

namespace rotor::cli {

RenderOptions trusted_variables(const Tokenizer* tokenizer) {
  RenderOptions options;
  if (tokenizer == nullptr) {
    return options;
  }
  const auto add = [&](const char* name, TokenId id) {
    if (id != kNoToken) {
      options.special_tokens.emplace_back(name, tokenizer->token_bytes(id));
    }
  };
  add("bos_token", tokenizer->bos());
  add("eos_token", tokenizer->eos());
  return options;
}

Result<std::vector<TokenId>> encode_messages(const Model& model,
                                             const std::vector<ChatMessage>& messages) {
  if (model.tokenizer == nullptr) {
    return format_error(model.path + ": holds no tokenizer");
  }
  if (model.chat_template == nullptr) {
    return unsupported(model.path + ": holds no usable chat template; complete text with rotor run");
  }
  ROTOR_ASSIGN(const RenderedText rendered,
               model.chat_template->render_messages(messages, true,
                                                    trusted_variables(model.tokenizer.get())));
  std::vector<TextSegment> segments;
  size_t at = 0;
  for (const Span& span : rendered.spans) {
    segments.push_back({std::string_view(rendered.text).substr(at, span.length),
                        span.from_template});
    at += span.length;
  }
  return model.tokenizer->encode_segments(segments);
}

Result<std::vector<TokenId>> encode_chat(const Model& model, const std::string& system,
                                         const std::string& user) {
  std::vector<ChatMessage> messages;
  if (!system.empty()) {
    messages.push_back({"system", system});
  }
  messages.push_back({"user", user});
  return encode_messages(model, messages);
}

void print_statistics(const GenerationStats& stats, const LoadedModel& loaded) {
  std::string drafts;
  if (stats.drafted_tokens > 0) {
    drafts = fmt::format(" ({} of {} drafted)", stats.accepted_tokens, stats.drafted_tokens);
  }
  fmt::print(stderr,
             "prompt {} tokens, {:.1f} tok/s | generation {} tokens{}, {:.1f} tok/s | load {:.2f} s | "
             "peak {}\n",
             stats.prompt_tokens, stats.prompt_rate(), stats.generated_tokens, drafts,
             stats.generation_rate(), loaded.load_seconds, format_bytes(peak_resident_bytes()));
}

}  // namespace rotor::cli
