// SPDX-License-Identifier: Apache-2.0
// Windows of a text, passes over a window, rows of a pass.
#include "engine/perplexity.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "base/exp_log.h"

namespace rotor {
namespace {

// What is computed at once: the last targets.size() inputs predict `targets`, one each.
struct Window {
  std::vector<TokenId> inputs;
  std::span<const TokenId> targets;
  size_t end = 0;  // of the text, first token that this window does not hold
};

// The windows of a text, one after the other.
class Windows {
 public:
  Windows(std::span<const TokenId> tokens, const PerplexityOptions& options)
      : tokens_(tokens), options_(options) {
    scored_ = options.method == PerplexityMethod::kWindows && options.bos != kNoToken ? 0 : 1;
  }

  // False at the end of the text.
  bool next(Window& window) {
    if (options_.max_windows != 0 && count_ == options_.max_windows) {
      return false;
    }
    ++count_;
    switch (options_.method) {
      case PerplexityMethod::kWindows: return next_window(window);
      case PerplexityMethod::kSecondHalf: return next_chunk(window);
      case PerplexityMethod::kStride: return next_strided(window);
    }
    return false;
  }

 private:
  bool next_window(Window& window) {
    if (scored_ >= tokens_.size()) {
      return false;
    }
    window.targets = tokens_.subspan(scored_, std::min(options_.context, tokens_.size() - scored_));
    const bool own = options_.bos == kNoToken;
    window.inputs.assign(1, own ? tokens_[scored_ - 1] : options_.bos);
    window.inputs.insert(window.inputs.end(), window.targets.begin(), window.targets.end() - 1);
    scored_ += window.targets.size();
    window.end = scored_;
    return true;
  }

  bool next_chunk(Window& window) {
    if (tokens_.size() - begin_ < options_.context) {
      return false;
    }
    const auto chunk = tokens_.subspan(begin_, options_.context);
    window.inputs.assign(chunk.begin(), chunk.end() - 1);
    if (options_.bos != kNoToken) {
      window.inputs[0] = options_.bos;
    }
    window.targets = chunk.subspan(options_.context / 2 + 1);
    begin_ += options_.context;
    window.end = begin_;
    return true;
  }

  bool next_strided(Window& window) {
    if (window.end == tokens_.size()) {
      return false;
    }
    window.end = std::min(begin_ + options_.context, tokens_.size());
    window.inputs.assign(tokens_.begin() + static_cast<ptrdiff_t>(begin_),
                         tokens_.begin() + static_cast<ptrdiff_t>(window.end) - 1);
    scored_ = std::max(scored_, begin_ + 1);  // a window's first token has nothing before it
    window.targets = tokens_.subspan(scored_, window.end - scored_);
    scored_ = window.end;
    begin_ += options_.stride;
    return true;
  }

  std::span<const TokenId> tokens_;
  const PerplexityOptions& options_;
  size_t count_ = 0;   // windows handed out
  size_t begin_ = 0;   // of the next chunk or window
  size_t scored_ = 0;  // next token to score
};

class Scorer {
 public:
  Scorer(Executor& executor, const ScoredTokenCallback& visit, const CancelFlag* cancel)
      : executor_(executor), visit_(visit), cancel_(cancel) {}

  Status window(const Window& window);
  PerplexityResult result() const;

 private:
  // The inputs that follow those in the cache, as many as a pass takes. The first `unscored` inputs
  // of the window predict nothing that is scored.
  Status pass(KvSequence& cache, const Window& window, size_t unscored);
  Status score(std::span<const float> logits, TokenId target);

  Executor& executor_;
  const ScoredTokenCallback& visit_;
  const CancelFlag* cancel_;
  Batch batch_;
  size_t windows_ = 0;
  size_t count_ = 0;
  double sum_ = 0;
  double sum_of_squares_ = 0;
};

Status Scorer::window(const Window& window) {
  KvSequence cache(&executor_.kv_pool());
  const size_t unscored = window.inputs.size() - window.targets.size();
  while (cache.length() < window.inputs.size()) {
    ROTOR_TRY(pass(cache, window, unscored));
  }
  ++windows_;
  return Status();
}

Status Scorer::pass(KvSequence& cache, const Window& window, size_t unscored) {
  if (cancel_ != nullptr && cancel_->cancelled()) {
    return Status(Code::kCancelled, "cancelled");
  }
  const size_t begin = cache.length();
  const size_t end = begin + std::min(window.inputs.size() - begin, executor_.max_batch());
  ROTOR_TRY(cache.extend(end - begin));
  batch_.rows.clear();
  for (size_t i = begin; i < end; ++i) {
    batch_.rows.push_back({&cache, i, window.inputs[i], i >= unscored});
  }
  ROTOR_TRY(executor_.forward(batch_, cancel_));
  const size_t first = std::max(begin, unscored);
  for (size_t i = first; i < end; ++i) {
    ROTOR_TRY(score(executor_.logits(i - first).all, window.targets[i - unscored]));
  }
  return Status();
}

Status Scorer::score(std::span<const float> logits, TokenId target) {
  ROTOR_TRY(check_finite(logits));
  const LogSoftmax log_probability = log_softmax(logits);
  const double nats = -log_probability(logits[static_cast<size_t>(target)]);
  ++count_;
  sum_ += nats;
  sum_of_squares_ += nats * nats;
  return visit_ ? visit_({logits, log_probability, target}) : Status();
}

PerplexityResult Scorer::result() const {
  PerplexityResult result{count_, sum_, 0, windows_};
  if (count_ > 1) {
    const double n = static_cast<double>(count_);
    const double variance = std::max(0.0, sum_of_squares_ - sum_ * sum_ / n) / (n - 1);
    result.standard_error = std::sqrt(variance / n);
  }
  return result;
}

// The tokens that a text must have for one to be scored; 0 where the options are impossible.
size_t tokens_needed(const PerplexityOptions& options) {
  switch (options.method) {
    case PerplexityMethod::kWindows: return options.bos == kNoToken ? 2 : 1;
    case PerplexityMethod::kSecondHalf: return options.context < 3 ? 0 : options.context;
    case PerplexityMethod::kStride:
      return options.context < 2 || options.stride < 1 || options.stride > options.context ? 0 : 2;
  }
  return 0;
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
  const size_t needed = tokens_needed(options);
  if (needed == 0) {
    return invalid_argument(options.method == PerplexityMethod::kStride
                                ? "the stride is " + std::to_string(options.stride) +
                                      ", expected 1 to the context of " +
                                      std::to_string(options.context)
                                : "the second half of a chunk needs a context of at least 3");
  }
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
                                      const ProgressCallback& progress, const CancelFlag* cancel,
                                      const ScoredTokenCallback& visit) {
  ROTOR_TRY(check(tokens, options));
  Windows windows(tokens, options);
  Scorer scorer(executor, visit, cancel);
  Window window;
  while (windows.next(window)) {
    ROTOR_TRY(scorer.window(window));
    if (progress) {
      std::array<char, 64> text;
      std::snprintf(text.data(), text.size(), "scoring, perplexity %.4f",
                    scorer.result().perplexity());
      progress(text.data(), window.end, tokens.size());
    }
  }
  if (progress && window.end < tokens.size()) {  // what is left over is not scored
    progress("scoring", tokens.size(), tokens.size());
  }
  return scorer.result();
}

}  // namespace rotor
