// SPDX-License-Identifier: Apache-2.0
// A tokenizer as the arrays of a GGUF file's tokenizer.ggml.* metadata: the reverse of
// text/gguf_vocabulary.h. SentencePiece's go to text/gguf_sentencepiece_writer.h.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <string>
#include <vector>

#include "text/gguf_vocabulary.h"
#include "text/tokenizer_spec.h"

namespace rotor {

// As many tokens as the embedding has rows, `rows`: llama.cpp knows no other number. Unused tokens fill
// up; added tokens beyond the rows, which no model can use, are left out. What the format has no place
// for and Rotor would read otherwise is told in `notes`. kUnsupported when the way it splits text
// has no name there.
Result<GgufVocabulary> gguf_from_tokenizer(const TokenizerSpec& spec, size_t rows,
                                           std::vector<std::string>& notes);

}  // namespace rotor
