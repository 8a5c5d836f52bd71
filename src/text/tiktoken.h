// SPDX-License-Identifier: Apache-2.0
// Reads a tiktoken vocabulary (tokenizer.model of Llama 3): lines of "base64-bytes rank". The ranks
// are the ids and say what merges first.
#pragma once

#include <rotor/status.h>

#include <string>
#include <string_view>

#include "text/tokenizer_spec.h"

namespace rotor {

// The file has no special tokens and no split rule. With exactly 128,000 ranks it is Llama 3's: its
// 256 special tokens follow and its split rule applies; otherwise there are none and the rule is
// still Llama 3's, with a note. kFormatError names the line. `name` appears in messages.
Result<TokenizerSpec> parse_tiktoken(std::string_view text, const std::string& name);

}  // namespace rotor
