// SPDX-License-Identifier: Apache-2.0
// Draft, compute, draw until a draft token is not what was drawn.
#include "engine/speculation.h"

#include <algorithm>
#include <chrono>

namespace rotor {

Status Speculation::step(RunningAnswer& answer) {
  using Clock = std::chrono::steady_clock;
  const NgramDraft::Match match = draft_.propose(answer.tokens(), DraftLength::kMost);
  const std::span<const TokenId> drafts = draft_.tokens();
  const size_t count = length_.choose(match, std::min(drafts.size(), room(answer)));
  tokens_.assign(1, answer.tokens().back());
  tokens_.insert(tokens_.end(), drafts.begin(), drafts.begin() + static_cast<ptrdiff_t>(count));
  const bool few = ask_for_each(answer);
  const Clock::time_point start = Clock::now();
  double seconds = 0;
  const Stepper::UseEach use = [&](size_t i, const RowLogits& logits) -> Result<bool> {
    if (i == 0) {
      seconds = std::chrono::duration<double>(Clock::now() - start).count();
    }
    ROTOR_TRY(draw_(logits, answer));
    const bool drawn = i < drafts.size() && answer.tokens().back() == drafts[i];
    if (i < drafts.size()) {
      length_.checked(match, drawn);
    }
    accepted_ += i < count && drawn ? 1 : 0;
    return drawn && answer.live();
  };
  drafted_ += count;
  const std::span<const TopQuery> queries = few ? std::span<const TopQuery>(queries_)
                                                : std::span<const TopQuery>();
  ROTOR_TRY(stepper_.verify(answer.cache(), tokens_, queries, run_.cancel, use));
  length_.measured(tokens_.size(), seconds);
  return Status();
}

// Draft tokens that can be computed: they stay within the answer, the batch, and the page that the next
// token needs anyway.
size_t Speculation::room(const RunningAnswer& answer) const {
  const size_t drawn = answer.tokens().size() - run_.request.prompt.size();
  const size_t in_answer = run_.max_answer() - drawn - 1;
  const size_t position = answer.tokens().size() - 1;  // of the last token drawn
  const size_t in_page = kPagePositions - 1 - position % kPagePositions;
  return std::min({in_answer, in_page, stepper_.max_batch() - 1});
}

// A query for each of tokens_; false when a draw needs all logits.
bool Speculation::ask_for_each(const RunningAnswer& answer) {
  history_ = answer.tokens();
  queries_.resize(tokens_.size());
  for (size_t i = 0; i < tokens_.size(); ++i) {
    if (i > 0) {
      history_.push_back(tokens_[i]);
    }
    if (!ask_(history_, queries_[i])) {
      return false;
    }
  }
  return true;
}

}  // namespace rotor
