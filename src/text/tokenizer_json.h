// SPDX-License-Identifier: Apache-2.0
// Reads a Hugging Face tokenizer.json that holds byte-level BPE, or SentencePiece's BPE or unigram
// model in the form that converters give them. Everything in it that would change the ids is either
// followed or refused by name; nothing is silently ignored.
#pragma once

#include <rotor/status.h>

#include <string>
#include <string_view>

#include "text/tokenizer_spec.h"

namespace rotor {

// `name` appears in messages. kUnsupported names the kind that Rotor lacks and the key it stands
// at; kFormatError what contradicts the format. The file does not say which token ends a text: the
// model's configuration may set eos and eot afterwards.
Result<TokenizerSpec> parse_tokenizer_json(std::string_view json, const std::string& name);

}  // namespace rotor
