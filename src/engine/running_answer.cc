// SPDX-License-Identifier: Apache-2.0
// Token to text to stop string, in this order, and the reasons to end.
#include "engine/running_answer.h"

#include <algorithm>

namespace rotor {

bool GenerationRun::ends_generation(TokenId token) const {
  const std::vector<TokenId>& ends = request.end_of_generation;
  return std::find(ends.begin(), ends.end(), token) != ends.end();
}

RunningAnswer::RunningAnswer(const GenerationRun& run, size_t index, StopMatcher stops,
                             KvSequence cache)
    : run_(run),
      index_(index),
      stops_(std::move(stops)),
      cache_(std::move(cache)),
      tokens_(run.request.prompt) {
  if (run.tokenizer != nullptr) {
    detokenizer_.emplace(*run.tokenizer);
  }
}

void RunningAnswer::accept(TokenId token, double log_probability) {
  tokens_.push_back(token);
  answer_.tokens.push_back(token);
  if (run_.request.log_probabilities) {
    answer_.log_probabilities.push_back(log_probability);
  }
  shown_.clear();
  FinishReason reason = FinishReason::kNone;
  if (run_.ends_generation(token)) {
    reason = FinishReason::kEndOfGeneration;
  } else if (append_text(token)) {
    reason = FinishReason::kStop;
  } else if (answer_.tokens.size() >= run_.max_answer()) {
    reason = FinishReason::kLength;
  }
  emit(token, log_probability, flush_text(reason));
}

void RunningAnswer::end(FinishReason reason) {
  shown_.clear();
  emit(kNoToken, 0, flush_text(reason));
}

// True when a stop string is complete.
bool RunningAnswer::append_text(TokenId token) {
  return detokenizer_.has_value() && stops_.append(detokenizer_->push(token), shown_);
}

// At the end, shows what was held back; after a stop string, nothing. Broken bytes may still
// complete one.
FinishReason RunningAnswer::flush_text(FinishReason reason) {
  if (reason == FinishReason::kNone || !detokenizer_.has_value()) {
    return reason;
  }
  if (stops_.append(detokenizer_->flush(), shown_)) {
    return FinishReason::kStop;
  }
  stops_.finish(shown_);
  return reason;
}

void RunningAnswer::emit(TokenId token, double log_probability, FinishReason reason) {
  answer_.text += shown_;
  answer_.finish_reason = reason;
  run_.emit({index_, token, shown_, log_probability, reason});
}

}  // namespace rotor
