// SPDX-License-Identifier: Apache-2.0
// How well a model predicts a given text: teacher-forced log-probabilities of its tokens.
#pragma once

#include <rotor/status.h>
#include <rotor/token.h>

#include <cstddef>
#include <span>

#include "base/progress.h"
#include "model/executor.h"

namespace rotor {

struct PerplexityOptions {
  size_t vocab = 0;        // of the model
  size_t context = 512;    // positions of a window, >= 1; at most the model's and the pool's
  TokenId bos = kNoToken;  // put before the text and before every window, unless kNoToken
};

// Natural units. Every token of the text is scored once; without a begin-of-text token the first
// one is not, for want of anything before it.
struct PerplexityResult {
  size_t tokens = 0;          // scored
  double nats = 0;            // sum of -ln(probability)
  double standard_error = 0;  // of nats / tokens, taking tokens as independent; 0 for one token

  double mean() const { return nats / static_cast<double>(tokens); }
  double perplexity() const;        // e^mean, at most e^709
  double perplexity_error() const;  // standard error of it, to first order
  // Bits a byte of a text of `bytes` bytes: nats / (ln 2 * bytes). Without a begin-of-text token
  // leave out the bytes of the first token.
  double bits_per_byte(size_t bytes) const;
};

// Scores `tokens` in windows of `context` scored tokens that do not overlap: a window's inputs are
// the token before it (the begin-of-text token where there is one, else the text's own) and all but
// the last of its tokens, so a token sees 1 to `context` tokens before it. The sums run in order of
// the text; results do not depend on max_batch.
//
// Errors: kInvalidArgument for tokens outside the vocabulary or a text without a token to score;
// kCancelled; kNotFinite; kOutOfPages; of the executor. `progress` counts tokens.
Result<PerplexityResult> score_tokens(Executor& executor, std::span<const TokenId> tokens,
                                      const PerplexityOptions& options,
                                      const ProgressCallback& progress = {},
                                      const CancelFlag* cancel = nullptr);

}  // namespace rotor
