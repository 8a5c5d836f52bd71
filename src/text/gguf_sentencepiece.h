// SPDX-License-Identifier: Apache-2.0
// The meaning of tokenizer.ggml.* for model "llama": SentencePiece's BPE by scores.
#pragma once

#include <rotor/status.h>

#include "text/gguf_vocabulary.h"

namespace rotor {

// kFormatError says which array contradicts what.
Result<TokenizerSpec> sentencepiece_from_gguf(const GgufVocabulary& vocabulary);

}  // namespace rotor
