// SPDX-License-Identifier: Apache-2.0
// What the decoder makes of tokens before the head: a vector for each, and one for a text. The command
// line and the library share it.
#pragma once

#include <rotor/language_model.h>
#include <rotor/status.h>
#include <rotor/token.h>

#include <cstddef>
#include <span>
#include <vector>

#include "base/progress.h"
#include "model/executor.h"
#include "model/model.h"

namespace rotor {

// kUnsupported where the model says that a text's vector is made of other tokens than its last. Most
// models do not say.
Status check_pooling(const Model& model);

// Computes `tokens`, of the vocabulary and no more than the context has room for, `at_once`
// (1 .. max_batch()) at a time, and calls `on_hidden` with the normed activations that the head would
// multiply, of those from `first` on, in order. `cancel` may be null.
Status compute_hidden(Executor& executor, std::span<const TokenId> tokens, size_t first,
                      size_t at_once, const CancelFlag* cancel, const HiddenCallback& on_hidden);

// The vector of a text: what is computed of its last token. kInvalidArgument where there is no token,
// or more than `context`.
Result<std::vector<float>> embed_tokens(Executor& executor, std::span<const TokenId> tokens,
                                        size_t context, size_t at_once, const CancelFlag* cancel);

// Divides by the Euclidean length; a vector of zeros stays. Computed in binary64, rounded once.
void normalize(std::span<float> vector);

}  // namespace rotor
