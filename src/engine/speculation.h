// SPDX-License-Identifier: Apache-2.0
// Speculation: passes that compute, along with the next token of each answer, a draft of those to
// come. A row's logits do not depend on the rows beside it, and a draw depends on seed, sample and
// position alone; so each draw is what it would be without a draft, a draft token that was not drawn
// is dropped with what follows it, and the answers are the same to the last bit.
#pragma once

#include <rotor/status.h>

#include <functional>
#include <optional>
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
  // Whether a few logits are enough to draw the token after `history` in the `sample`-th answer, and
  // which.
  using Ask =
      std::function<bool(std::span<const TokenId> history, size_t sample, TopQuery& query)>;

  // Nothing is drafted unless the request says so. `run` and `stepper` outlive the object.
  Speculation(const GenerationRun& run, Stepper& stepper, Ask ask, Draw draw)
      : run_(run), stepper_(stepper), ask_(std::move(ask)), draw_(std::move(draw)),
        lines_(run.request.answers) {}

  // Draws the next token of each of the `live` answers, and those after it while they are as drafted;
  // of an answer that is far ahead of the others perhaps none. Each has room for a token. On failure no
  // cache holds a draft.
  Status step(std::span<RunningAnswer* const> live);

  size_t drafted() const { return drafted_; }    // draft tokens computed
  size_t accepted() const { return accepted_; }  // of them drawn

 private:
  // What is kept of an answer from pass to pass, so that a token takes no memory.
  struct Line {
    std::optional<NgramDraft> draft;
    std::vector<TokenId> history;   // prompt and answer, then the draft tokens to compute
    size_t drawn = 0;               // tokens of `history` before the draft
    std::vector<TopQuery> queries;  // one for each token to compute
  };

  bool may_go_on(const RunningAnswer& answer, std::span<RunningAnswer* const> live) const;
  void propose();
  size_t room(const RunningAnswer& answer) const;
  Step next_step(RunningAnswer& answer, size_t count);
  Result<bool> use(RunningAnswer& answer, const DraftLength::Draft& draft, size_t j,
                   const RowLogits& logits);

  const GenerationRun& run_;
  Stepper& stepper_;
  Ask ask_;
  Draw draw_;
  DraftLength length_;
  std::vector<Line> lines_;                 // by index of the answer
  std::vector<RunningAnswer*> answers_;     // of this pass
  std::vector<DraftLength::Draft> drafts_;  // of each of them
  std::vector<Step> steps_;
  size_t drafted_ = 0;
  size_t accepted_ = 0;
};

}  // namespace rotor
