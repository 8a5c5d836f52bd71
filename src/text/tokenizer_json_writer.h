// SPDX-License-Identifier: Apache-2.0
// Writes a tokenizer as a genuine Hugging Face tokenizer.json, whatever file it came from: the form in
// which a .rotor file keeps all but SentencePiece's own (sentencepiece_writer.h).
#pragma once

#include <rotor/status.h>

#include <string>

#include "text/tokenizer_spec.h"

namespace rotor {

// JSON text that parse_tokenizer_json() reads back as the same tokens, kinds, merges and splits.
// Unused tokens are left out, so trailing ones no longer count; tiktoken ranks become the list of
// merges they imply. What the format has no place for (eos, eot, end-of-generation) is the caller's
// to keep. kUnsupported for a token that is no text and has a role that needs text.
Result<std::string> write_tokenizer_json(const TokenizerSpec& spec);

}  // namespace rotor
