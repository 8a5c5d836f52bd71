// SPDX-License-Identifier: Apache-2.0
// The sampling loop: draws all answers of a request side by side, a token of each in a
// batch, or several where they can be foreseen.
#pragma once

#include <rotor/generation.h>

#include "engine/generation_run.h"
#include "engine/stepper.h"

namespace rotor {

// Whether a few logits of the prompt are enough for sample_answers(), and which: `query` gets them.
bool first_query(const GenerationRun& run, TopQuery& query);

// Draws the answers that follow the prompt, given its `logits`, all or those of first_query(), and its
// `cache`. Afterwards `cache` holds the prompt and the first answer but for its last token. Fills
// result.answers and the token counts, also on failure. Cancellation is not a failure: it is a
// finish reason.
Status sample_answers(const GenerationRun& run, Stepper& stepper, const RowLogits& logits,
                      KvSequence& cache, GenerationResult& result);

}  // namespace rotor
