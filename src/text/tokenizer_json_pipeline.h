// SPDX-License-Identifier: Apache-2.0
// The pipeline of a tokenizer.json: what happens to text before the merges and to ids after them.
#pragma once

#include <rotor/status.h>

#include "base/json.h"
#include "text/tokenizer_spec.h"

namespace rotor {

// Reads pre_tokenizer, post_processor and decoder of `root` into `spec`, whose model, tokens and
// normalizers are complete. kUnsupported names every kind or option that Rotor does not follow.
Status read_json_pipeline(JsonValue root, TokenizerSpec& spec);

// Whether the tokenizer works on bytes: its pre-tokenizers spell them in the byte alphabet.
Result<bool> has_byte_level(JsonValue root, const std::string& source);

}  // namespace rotor
