// SPDX-License-Identifier: Apache-2.0
// How well a model predicts a given text: teacher-forced log-probabilities of its tokens.
#pragma once

#include <rotor/status.h>
#include <rotor/token.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "base/progress.h"
#include "engine/log_softmax.h"
#include "model/executor.h"

namespace rotor {

// Which tokens of a text are scored, and what stands before each.
enum class PerplexityMethod : uint8_t {
  // Every token once, in windows of `context` scored tokens that do not overlap. A window's inputs
  // are the token before it (the begin-of-text token where there is one, else the text's own) and
  // all but the last of its tokens, so a token sees 1 to `context` tokens before it. The text comes
  // without a begin-of-text token.
  kWindows,
  // As llama.cpp's llama-perplexity: chunks of `context` tokens, what is left over dropped; the first
  // token of a chunk is replaced by the begin-of-text token, if there is one; tokens from number
  // context / 2 + 1 of a chunk on are scored, so each sees at least context / 2 + 1 before it. The
  // text begins with a begin-of-text token where the tokenizer adds one.
  kSecondHalf,
  // As the guide of transformers: windows of `context` tokens that begin every `stride` tokens; in
  // each, the tokens that no window before it held are scored. The text begins with a begin-of-text
  // token where the tokenizer adds one; the windows have none of their own.
  kStride,
};

struct PerplexityOptions {
  size_t vocab = 0;        // of the model
  size_t context = 512;    // positions of a window, >= 1; at most the model's and the pool's
  TokenId bos = kNoToken;  // as the method says; kNoToken: none
  PerplexityMethod method = PerplexityMethod::kWindows;
  size_t stride = 0;       // kStride: 1 to context
  size_t max_windows = 0;  // the first so many windows or chunks; 0: all
};

// Natural units.
struct PerplexityResult {
  size_t tokens = 0;          // scored
  double nats = 0;            // sum of -ln(probability)
  double standard_error = 0;  // of nats / tokens, taking tokens as independent; 0 for one token
  size_t windows = 0;         // windows or chunks

  double mean() const { return nats / static_cast<double>(tokens); }
  double perplexity() const;        // e^mean, at most e^709
  double perplexity_error() const;  // standard error of it, to first order
  // Bits a byte of the scored tokens, which stand for `bytes` bytes of text: nats / (ln 2 * bytes).
  double bits_per_byte(size_t bytes) const;
};

// A token that was scored, and the logits before it.
struct ScoredToken {
  std::span<const float> logits;  // (vocab), finite; valid during the call
  LogSoftmax log_probability;     // of these logits
  TokenId token = kNoToken;
};
using ScoredTokenCallback = std::function<Status(const ScoredToken&)>;

// Scores `tokens`. The sums run in order of the text; results do not depend on max_batch. `visit`,
// if not empty, sees every scored token in this order; its error ends the work.
//
// Errors: kInvalidArgument for tokens outside the vocabulary or a text without a token to score;
// kCancelled; kNotFinite; kOutOfPages; of the executor. `progress` counts tokens and says the
// perplexity so far.
Result<PerplexityResult> score_tokens(Executor& executor, std::span<const TokenId> tokens,
                                      const PerplexityOptions& options,
                                      const ProgressCallback& progress = {},
                                      const CancelFlag* cancel = nullptr,
                                      const ScoredTokenCallback& visit = {});

}  // namespace rotor
