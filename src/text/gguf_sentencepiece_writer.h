// SPDX-License-Identifier: Apache-2.0
// A SentencePiece tokenizer as the arrays of a GGUF file's tokenizer.ggml.* metadata, model "llama": the
// reverse of text/gguf_sentencepiece.h.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <string>
#include <vector>

#include "text/gguf_vocabulary.h"

namespace rotor {

// `rows` and `notes` as of gguf_from_tokenizer(), which calls this. What is written reads back as the same
// tokenizer; kUnsupported, saying why, where it would not. REQUIRES: is_sentencepiece(spec).
Result<GgufVocabulary> gguf_from_sentencepiece(const TokenizerSpec& spec, size_t rows,
                                               std::vector<std::string>& notes);

}  // namespace rotor
