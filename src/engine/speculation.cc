// SPDX-License-Identifier: Apache-2.0
// Draft, compute, draw until a draft token is not what was drawn.
#include "engine/speculation.h"

#include <algorithm>

namespace rotor {
namespace {

size_t pages_for(size_t positions) { return (positions + kPagePositions - 1) / kPagePositions; }

}  // namespace

Status Speculation::step(std::span<RunningAnswer* const> live) {
  answers_.clear();
  std::copy_if(live.begin(), live.end(), std::back_inserter(answers_),
               [&](const RunningAnswer* answer) { return may_go_on(*answer, live); });
  propose();
  length_.choose(drafts_, stepper_.max_batch());
  steps_.clear();
  size_t rows = 0;
  for (size_t i = 0; i < answers_.size(); ++i) {
    steps_.push_back(next_step(*answers_[i], drafts_[i].count));
    rows += 1 + drafts_[i].count;
  }
  drafted_ += rows - answers_.size();
  double seconds = 0;
  const double start = run_.now();
  ROTOR_TRY(stepper_.step(steps_, run_.cancel, [&](size_t i, size_t j, const RowLogits& logits) {
    if (i == 0 && j == 0) {
      seconds = run_.now() - start;
    }
    return use(*answers_[i], drafts_[i], j, logits);
  }));
  if (rows <= stepper_.max_batch()) {  // in one pass
    length_.measured(rows, seconds);
  }
  return Status();
}

// An answer that is ahead of others begins a page only if enough are free for all to come as far. So the
// answers never run out of pages where they would not if they kept step.
bool Speculation::may_go_on(const RunningAnswer& answer,
                            std::span<RunningAnswer* const> live) const {
  const size_t length = answer.cache().length();
  if (length % kPagePositions != 0) {
    return true;
  }
  size_t pages = 0;
  bool ahead = false;
  for (const RunningAnswer* other : live) {
    const size_t behind = other->cache().length();
    pages += pages_for(length + 1) - std::min(pages_for(length + 1), pages_for(behind));
    ahead = ahead || behind < length;
  }
  return !ahead || pages <= stepper_.free_pages();
}

// Sets drafts_ to what is at hand for answers_.
void Speculation::propose() {
  drafts_.assign(answers_.size(), {});
  if (!run_.request.speculate || answers_.size() >= DraftLength::kMostRows) {
    return;
  }
  for (size_t i = 0; i < answers_.size(); ++i) {
    const RunningAnswer& answer = *answers_[i];
    std::optional<NgramDraft>& draft = lines_[answer.index()].draft;
    if (!draft) {
      draft.emplace(run_.request.prompt.size() + run_.max_answer());
    }
    draft->propose(answer.tokens(), DraftLength::kMost);
    drafts_[i] = {draft->match(), std::min(draft->tokens().size(), room(answer))};
  }
}

// Draft tokens that can be computed: they stay within the answer and the page that the next token needs
// anyway.
size_t Speculation::room(const RunningAnswer& answer) const {
  const size_t drawn = answer.tokens().size() - run_.request.prompt.size();
  const size_t in_answer = run_.max_answer() - drawn - 1;
  const size_t position = answer.tokens().size() - 1;  // of the last token drawn
  const size_t in_page = kPagePositions - 1 - position % kPagePositions;
  return std::min(in_answer, in_page);
}

// The last token drawn and the first `count` of the answer's draft, with a query for each unless a draw
// needs all logits.
Step Speculation::next_step(RunningAnswer& answer, size_t count) {
  const std::vector<TokenId>& tokens = answer.tokens();
  Line& line = lines_[answer.index()];
  line.queries.resize(1 + count);
  bool few = ask_(tokens, answer.index(), line.queries[0]);
  std::span<const TokenId> next = std::span(tokens).last(1);
  if (count > 0) {
    line.history.resize(line.drawn);
    line.history.insert(line.history.end(), tokens.begin() + static_cast<ptrdiff_t>(line.drawn),
                        tokens.end());
    line.drawn = tokens.size();
    for (size_t j = 0; j < count; ++j) {
      line.history.push_back(line.draft->tokens()[j]);
      few = few && ask_(line.history, answer.index(), line.queries[1 + j]);
    }
    next = std::span(line.history).last(1 + count);
  }
  const std::span<const TopQuery> queries = line.queries;
  return {&answer.cache(), next, few ? queries : queries.first(0)};
}

// Draws the token after token j of the answer's step; whether the next one of the step is it.
Result<bool> Speculation::use(RunningAnswer& answer, const DraftLength::Draft& draft, size_t j,
                              const RowLogits& logits) {
  ROTOR_TRY(draw_(logits, answer));
  if (j >= draft.most) {
    return false;
  }
  const bool drawn = answer.tokens().back() == lines_[answer.index()].draft->tokens()[j];
  length_.checked(draft.match + j, drawn);
  accepted_ += j < draft.count && drawn ? 1 : 0;
  return drawn && answer.live();
}

}  // namespace rotor
