// SPDX-License-Identifier: Apache-2.0
#include "prompt.h"

#include <fmt/core.h>

#include <cstdio>

#include "engine/chat_prompt.h"
#include "terminal.h"

namespace rotor::cli {

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
  (void)std::fflush(stdout);  // both may go to one file; finish_output() tells what fails
  fmt::print(stderr,
             "prompt {} tokens, {:.1f} tok/s | generation {} tokens{}, {:.1f} tok/s | load {:.2f} s | "
             "peak {}\n",
             stats.prompt_tokens, stats.prompt_rate(), stats.generated_tokens, drafts,
             stats.generation_rate(), loaded.load_seconds, format_bytes(peak_resident_bytes()));
}

}  // namespace rotor::cli
