// SPDX-License-Identifier: Apache-2.0
// Beam search: keeps the `beam_width` most likely beginnings and extends them all by a token at a
// time. Scores, bounds and tie rules are in beam.cc; semantics are those of Hugging Face's
// transformers (generation with num_beams).
#pragma once

#include <rotor/generation.h>

#include <span>

#include "engine/generation_run.h"
#include "engine/stepper.h"

namespace rotor {

// Finds the answers that follow the prompt, given its `logits` (vocab) and its `cache`, which is
// left as it is. Fills result.answers, best score first, and the token counts. Fewer than
// run.answers come back only when bans leave no more. Cancelled, the best beams so far are the
// answers.
Status search_beams(const GenerationRun& run, Stepper& stepper, std::span<const float> logits,
                    const KvSequence& cache, GenerationResult& result);

}  // namespace rotor
