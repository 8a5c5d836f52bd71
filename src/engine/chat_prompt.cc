// SPDX-License-Identifier: Apache-2.0
#include "engine/chat_prompt.h"

#include <string_view>

namespace rotor {

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
                                             std::span<const ChatMessage> messages) {
  if (model.tokenizer == nullptr) {
    return unsupported(model.path + ": holds no tokenizer");
  }
  if (model.chat_template == nullptr) {
    return unsupported(model.path + ": holds no usable chat template; give the whole prompt as text");
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

}  // namespace rotor
