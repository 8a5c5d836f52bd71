// SPDX-License-Identifier: Apache-2.0
// RunningAnswer: one answer while it is generated: its tokens, cache and text, and when it ends.
#pragma once

#include <rotor/generation.h>

#include <optional>
#include <string>
#include <vector>

#include "engine/generation_run.h"
#include "engine/stop.h"
#include "model/kv_cache.h"
#include "text/detokenizer.h"

namespace rotor {

class RunningAnswer {
 public:
  // `cache` holds the prompt. REQUIRES: `run` outlives the object.
  RunningAnswer(const GenerationRun& run, size_t index, StopMatcher stops, KvSequence cache);

  size_t index() const { return index_; }
  bool live() const { return answer_.finish_reason == FinishReason::kNone; }
  // Prompt and answer; all but the last token drawn are in the cache.
  const std::vector<TokenId>& tokens() const { return tokens_; }
  KvSequence& cache() { return cache_; }
  const KvSequence& cache() const { return cache_; }

  // Takes the next token, emits its event and ends the answer when it is time.
  // REQUIRES: live(), and room for a token: fewer than run.max_answer() so far.
  void accept(TokenId token, double log_probability);
  // Ends the answer without another token. REQUIRES: live().
  void end(FinishReason reason);

  GeneratedAnswer take() { return std::move(answer_); }

 private:
  bool append_text(TokenId token);
  FinishReason flush_text(FinishReason reason);
  void emit(TokenId token, double log_probability, FinishReason reason);

  const GenerationRun& run_;
  size_t index_;
  StopMatcher stops_;
  KvSequence cache_;
  std::optional<Detokenizer> detokenizer_;
  std::vector<TokenId> tokens_;
  std::string shown_;  // text of the current event
  GeneratedAnswer answer_;
};

}  // namespace rotor
