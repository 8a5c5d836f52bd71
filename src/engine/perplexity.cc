// SPDX-License-Identifier: Apache-2.0
// Windows, chunks of a window, rows of a chunk.
#include "engine/perplexity.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/exp_log.h"
#include "engine/log_softmax.h"

namespace rotor {
namespace {

class Scorer {
 public:
  Scorer(Executor& executor, const CancelFlag* cancel) : executor_(executor), cancel_(cancel) {}

  // Scores targets[i] given inputs[0 .. i], for all i.
  Status window(std::span<const TokenId> inputs, std::span<const TokenId> targets);
  PerplexityResult result() const;

 private:
  Status chunk(KvSequence& cache, std::span<const TokenId> inputs,
               std::span<const TokenId> targets);
  Status score(std::span<const float> logits, TokenId target);

  Executor& executor_;
  const CancelFlag* cancel_;
  Batch batch_;
  size_t count_ = 0;
  double sum_ = 0;
  double sum_of_squares_ = 0;
};

Status Scorer::window(std::span<const TokenId> inputs, std::span<const TokenId> targets) {
  KvSequence cache(&executor_.kv_pool());
  for (size_t done = 0; done < inputs.size();) {
    const size_t count = std::min(inputs.size() - done, executor_.max_batch());
    ROTOR_TRY(chunk(cache, inputs.subspan(done, count), targets.subspan(done, count)));
    done += count;
  }
  return Status();
}

Status Scorer::chunk(KvSequence& cache, std::span<const TokenId> inputs,
                     std::span<const TokenId> targets) {
  if (cancel_ != nullptr && cancel_->cancelled()) {
    return Status(Code::kCancelled, "cancelled");
  }
  const size_t start = cache.length();
  ROTOR_TRY(cache.extend(inputs.size()));
  batch_.rows.clear();
  for (size_t i = 0; i < inputs.size(); ++i) {
    batch_.rows.push_back({&cache, start + i, inputs[i], true});
  }
  ROTOR_TRY(executor_.forward(batch_, cancel_));
  for (size_t i = 0; i < targets.size(); ++i) {
    ROTOR_TRY(score(executor_.logits(i).all, targets[i]));
  }
  return Status();
}

Status Scorer::score(std::span<const float> logits, TokenId target) {
  ROTOR_TRY(check_finite(logits));
  const double nats = -log_softmax(logits)(logits[static_cast<size_t>(target)]);
  ++count_;
  sum_ += nats;
  sum_of_squares_ += nats * nats;
  return Status();
}

PerplexityResult Scorer::result() const {
  PerplexityResult result{count_, sum_, 0};
  if (count_ > 1) {
    const double n = static_cast<double>(count_);
    const double variance = std::max(0.0, sum_of_squares_ - sum_ * sum_ / n) / (n - 1);
    result.standard_error = std::sqrt(variance / n);
  }
  return result;
}

Status check(std::span<const TokenId> tokens, const PerplexityOptions& options) {
  const auto known = [&](TokenId token) { return static_cast<size_t>(token) < options.vocab; };
  const auto unknown = std::find_if_not(tokens.begin(), tokens.end(), known);
  if (unknown != tokens.end()) {
    return invalid_argument("token " + std::to_string(unknown - tokens.begin()) +
                            " of the text is " + std::to_string(*unknown) + ": the model has " +
                            std::to_string(options.vocab) + " tokens");
  }
  if (options.bos != kNoToken && !known(options.bos)) {
    return invalid_argument("the begin-of-text token " + std::to_string(options.bos) +
                            " is not below the vocabulary of " + std::to_string(options.vocab));
  }
  if (options.context == 0) {
    return invalid_argument("context is 0, expected at least 1 position");
  }
  const size_t needed = options.bos == kNoToken ? 2 : 1;
  if (tokens.size() < needed) {
    return invalid_argument("the text has " + std::to_string(tokens.size()) + " tokens, at least " +
                            std::to_string(needed) + " are needed to score one");
  }
  return Status();
}

}  // namespace

double PerplexityResult::perplexity() const { return portable_exp(std::min(mean(), 709.0)); }

double PerplexityResult::perplexity_error() const { return perplexity() * standard_error; }

double PerplexityResult::bits_per_byte(size_t bytes) const {
  constexpr double kLn2 = 0x1.62e42fefa39efp-1;
  return nats / (kLn2 * static_cast<double>(bytes));
}

Result<PerplexityResult> score_tokens(Executor& executor, std::span<const TokenId> tokens,
                                      const PerplexityOptions& options,
                                      const ProgressCallback& progress, const CancelFlag* cancel) {
  ROTOR_TRY(check(tokens, options));
  Scorer scorer(executor, cancel);
  std::vector<TokenId> inputs;
  for (size_t first = options.bos == kNoToken ? 1 : 0; first < tokens.size();) {
    const auto targets = tokens.subspan(first, std::min(options.context, tokens.size() - first));
    inputs.assign(1, options.bos == kNoToken ? tokens[first - 1] : options.bos);
    inputs.insert(inputs.end(), targets.begin(), targets.end() - 1);
    ROTOR_TRY(scorer.window(inputs, targets));
    first += targets.size();
    if (progress) {
      progress("scoring", first, tokens.size());
    }
  }
  return scorer.result();
}

}  // namespace rotor
