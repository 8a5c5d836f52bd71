// SPDX-License-Identifier: Apache-2.0
// Reads a SentencePiece model (tokenizer.model): a protocol buffer with pieces, scores and the rules
// of normalisation.
#pragma once

#include <rotor/status.h>

#include <string>
#include <string_view>

#include "text/tokenizer_spec.h"

namespace rotor {

// `name` appears in messages. kUnsupported names the model type or rule that Rotor lacks;
// kFormatError the byte at which the file breaks. The begin-of-text token is added to text, as the
// tokenizers of Llama's family do; the file itself does not say.
Result<TokenizerSpec> parse_sentencepiece(std::string_view bytes, const std::string& name);

}  // namespace rotor
