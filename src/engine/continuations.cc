// SPDX-License-Identifier: Apache-2.0
// Groups of items: first all contexts of a group, then, on forks of their caches, all continuations.
#include "engine/continuations.h"

#include <algorithm>
#include <deque>
#include <string>

#include "engine/log_softmax.h"

namespace rotor {
namespace {

// What the logits of a row are wanted for.
struct Target {
  TokenId token;
  Likelihood* likelihood;
};

// Rows of any sequences, computed as soon as a pass is full.
class Passes {
 public:
  Passes(Executor& executor, const CancelFlag* cancel) : executor_(executor), cancel_(cancel) {}

  // REQUIRES: the sequence holds `position` and outlives flush().
  Status add(KvSequence& sequence, size_t position, TokenId token, std::vector<Target> targets) {
    batch_.rows.push_back({&sequence, position, token, !targets.empty()});
    if (!targets.empty()) {
      targets_.push_back(std::move(targets));
    }
    return batch_.rows.size() < executor_.max_batch() ? Status() : flush();
  }

  Status flush() {
    if (batch_.rows.empty()) {
      return Status();
    }
    if (cancel_ != nullptr && cancel_->cancelled()) {
      return Status(Code::kCancelled, "cancelled");
    }
    ROTOR_TRY(executor_.forward(batch_, cancel_));
    for (size_t i = 0; i < targets_.size(); ++i) {
      const std::span<const float> logits = executor_.logits(i).all;
      ROTOR_TRY(check_finite(logits));
      const LogSoftmax log_probability = log_softmax(logits);
      const auto likeliest = std::max_element(logits.begin(), logits.end()) - logits.begin();
      for (const Target& target : targets_[i]) {
        const float logit = logits[static_cast<size_t>(target.token)];
        target.likelihood->log_likelihood += log_probability(logit);
        target.likelihood->greedy &= target.token == static_cast<TokenId>(likeliest);
      }
    }
    batch_.rows.clear();
    targets_.clear();
    return Status();
  }

 private:
  Executor& executor_;
  const CancelFlag* cancel_;
  Batch batch_;
  std::vector<std::vector<Target>> targets_;  // of the rows that want logits
};

size_t pages_of(size_t positions) { return (positions + kPagePositions - 1) / kPagePositions; }

// The pages that forks for continuations [begin, end) take beside those of the context: one that
// ends inside a page is copied.
size_t pages_of(const Continuations& item, size_t begin, size_t end) {
  size_t pages = pages_of(item.context.size());
  for (size_t i = begin; i < end; ++i) {
    const size_t positions = item.context.size() + item.texts[i].size() - 1;
    pages += pages_of(positions) - item.context.size() / kPagePositions;
  }
  return pages;
}

// Continuations [begin, end) of an item.
struct Part {
  const Continuations* item;
  size_t begin;
  size_t end;
  Likelihood* likelihoods;  // of continuation `begin`
};

Status score_parts(Executor& executor, std::span<const Part> parts, const CancelFlag* cancel) {
  Passes passes(executor, cancel);
  std::deque<KvSequence> contexts;
  for (const Part& part : parts) {
    const std::vector<TokenId>& context = part.item->context;
    KvSequence& sequence = contexts.emplace_back(&executor.kv_pool());
    ROTOR_TRY(sequence.extend(context.size()));
    for (size_t i = 0; i < context.size(); ++i) {
      std::vector<Target> targets;
      for (size_t t = part.begin; i + 1 == context.size() && t < part.end; ++t) {
        targets.push_back({part.item->texts[t][0], part.likelihoods + (t - part.begin)});
      }
      ROTOR_TRY(passes.add(sequence, i, context[i], std::move(targets)));
    }
  }
  ROTOR_TRY(passes.flush());  // forks copy what is computed
  std::deque<KvSequence> forks;
  for (size_t p = 0; p < parts.size(); ++p) {
    const Part& part = parts[p];
    for (size_t t = part.begin; t < part.end; ++t) {
      const std::vector<TokenId>& text = part.item->texts[t];
      if (text.size() == 1) {
        continue;  // the context's last row told all
      }
      KvSequence& fork = forks.emplace_back(contexts[p].fork());
      const size_t start = fork.length();
      ROTOR_TRY(fork.extend(text.size() - 1));
      for (size_t i = 0; i + 1 < text.size(); ++i) {
        ROTOR_TRY(passes.add(fork, start + i, text[i],
                             {{text[i + 1], part.likelihoods + (t - part.begin)}}));
      }
    }
  }
  return passes.flush();
}

Status check(std::span<const Continuations> items, size_t vocab) {
  const auto usable = [&](const std::vector<TokenId>& tokens) {
    return !tokens.empty() && std::all_of(tokens.begin(), tokens.end(), [&](TokenId token) {
      return token >= 0 && static_cast<size_t>(token) < vocab;
    });
  };
  for (size_t i = 0; i < items.size(); ++i) {
    if (!usable(items[i].context) ||
        !std::all_of(items[i].texts.begin(), items[i].texts.end(), usable)) {
      return invalid_argument("item " + std::to_string(i) + ": the context or a continuation has no "
                              "tokens, or one that is not below the vocabulary of " +
                              std::to_string(vocab));
    }
  }
  return Status();
}

}  // namespace

Status score_continuations(Executor& executor, size_t vocab, std::span<const Continuations> items,
                           const LikelihoodCallback& done, const ProgressCallback& progress,
                           const CancelFlag* cancel) {
  ROTOR_TRY(check(items, vocab));
  const size_t rows_at_once = 4 * executor.max_batch();  // enough that few passes are not full
  for (size_t first = 0; first < items.size();) {
    // As many items as the pages hold; one that they do not hold is computed a continuation a time.
    std::vector<std::vector<Likelihood>> likelihoods;
    std::vector<Part> parts;
    size_t pages = 0, rows = 0, last = first;
    for (; last < items.size() && rows < rows_at_once; ++last) {
      const Continuations& item = items[last];
      const size_t more = pages_of(item, 0, item.texts.size());
      if (last > first && pages + more > executor.kv_pool().free_pages()) {
        break;
      }
      pages += more;
      rows += item.context.size();
      likelihoods.emplace_back(item.texts.size());
      parts.push_back({&item, 0, item.texts.size(), likelihoods.back().data()});
    }
    if (pages > executor.kv_pool().free_pages()) {
      const Part whole = parts[0];
      for (size_t t = 0; t < whole.end; ++t) {
        const Part part = {whole.item, t, t + 1, whole.likelihoods + t};
        ROTOR_TRY(score_parts(executor, {&part, 1}, cancel));
      }
    } else {
      ROTOR_TRY(score_parts(executor, parts, cancel));
    }
    for (size_t i = first; i < last; ++i) {
      ROTOR_TRY(done(i, likelihoods[i - first]));
    }
    first = last;
    if (progress) {
      progress("scoring", first, items.size());
    }
  }
  return Status();
}

}  // namespace rotor
