// SPDX-License-Identifier: Apache-2.0
// The Hugging Face files beside a SentencePiece tokenizer.model: tokens that were added to it, and
// which begin and end a text.
#pragma once

#include <rotor/status.h>

#include <string>
#include <string_view>

#include "text/tokenizer_spec.h"

namespace rotor {

// tokenizer_config.json: "added_tokens_decoder", "add_bos_token", "add_eos_token". kFormatError when
// a token contradicts the model.
Status apply_tokenizer_config(std::string_view json, const std::string& name, TokenizerSpec& spec);

// added_tokens.json, which older folders have: {"<pad>": 32000}. Tokens beyond the model's are added
// as user-defined ones; those it has already stay as they are.
Status apply_added_tokens(std::string_view json, const std::string& name, TokenizerSpec& spec);

}  // namespace rotor
