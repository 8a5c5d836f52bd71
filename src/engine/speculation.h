// SPDX-License-Identifier: Apache-2.0
// Speculation: steps of one answer that compute a draft of the tokens to come along with the next
// one. A row's logits do not depend on the rows beside it, and a draw depends on seed, sample and
// position alone; so each draw is what it would be without a draft, a draft token that was not drawn
// is dropped with what follows it, and the answer is the same to the last bit.
#pragma once

#include <rotor/status.h>

#include <functional>
#include <span>
#include <vector>

#include "engine/draft_length.h"
#include "engine/ngram_draft.h"
#include "engine/running_answer.h"
#include "engine/sampler.h"
#include "engine/stepper.h"

namespace rotor {

class Speculation {
 public:
  // Draws from a row's logits the token after answer.tokens(), and gives it to the answer.
  using Draw = std::function<Status(const RowLogits& logits, RunningAnswer& answer)>;
  // Whether a few logits are enough to draw the token after `history`, and which.
  using Ask = std::function<bool(std::span<const TokenId> history, TopQuery& query)>;

  // `stepper` outlives the object.
  Speculation(const GenerationRun& run, Stepper& stepper, Ask ask, Draw draw)
      : run_(run), stepper_(stepper), ask_(std::move(ask)), draw_(std::move(draw)) {}

  // Draws the next token of `answer`, and those after it while they are as drafted. Each call is for
  // the same answer, which is live and has room for a token. On failure its cache holds no draft.
  Status step(RunningAnswer& answer);

  size_t drafted() const { return drafted_; }    // draft tokens computed
  size_t accepted() const { return accepted_; }  // of them drawn

 private:
  size_t room(const RunningAnswer& answer) const;
  bool ask_for_each(const RunningAnswer& answer);

  const GenerationRun& run_;
  Stepper& stepper_;
  Ask ask_;
  Draw draw_;
  NgramDraft draft_;
  DraftLength length_;
  std::vector<TokenId> tokens_;    // the last token drawn, then the draft
  std::vector<TokenId> history_;
  std::vector<TopQuery> queries_;  // one a token
  size_t drafted_ = 0;
  size_t accepted_ = 0;
};

}  // namespace rotor
