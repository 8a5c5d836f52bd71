// SPDX-License-Identifier: Apache-2.0
// The sampling loop: draws all answers of a request side by side, one batch a token.
#pragma once

#include <rotor/generation.h>

#include <span>

#include "engine/generation_run.h"
#include "engine/stepper.h"

namespace rotor {

// Draws the answers that follow the prompt, given its `logits` (vocab) and its `cache`. Afterwards
// `cache` holds the prompt and the first answer but for its last token. Fills result.answers and
// the token counts, also on failure. Cancellation is not a failure: it is a finish reason.
Status sample_answers(const GenerationRun& run, Stepper& stepper, std::span<const float> logits,
                      KvSequence& cache, GenerationResult& result);

}  // namespace rotor
