// SPDX-License-Identifier: Apache-2.0
// Writes a tokenizer that works by SentencePiece's rules as a genuine SentencePiece model: the form in
// which a .rotor file keeps it.
#pragma once

#include <rotor/status.h>

#include <string>

#include "text/tokenizer_spec.h"

namespace rotor {

// Whether the tokenizer has scores and SentencePiece's normalisation, whatever file it came from.
bool is_sentencepiece(const TokenizerSpec& spec);

// Bytes that parse_sentencepiece() reads back as the same tokenizer, and the sentencepiece library as
// the same model. What the format has no place for (eot, end-of-generation) is the caller's to keep.
// kUnsupported when is_sentencepiece() is false or an added token swallows white space.
Result<std::string> write_sentencepiece(const TokenizerSpec& spec);

}  // namespace rotor
