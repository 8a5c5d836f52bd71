// SPDX-License-Identifier: Apache-2.0
// The sizes and flags in the metadata of a GGUF file.
#pragma once

#include <rotor/status.h>
#include <rotor/token.h>

#include <string>
#include <vector>

#include "io/gguf.h"
#include "model/config.h"
#include "model/generation_defaults.h"

namespace rotor {

// `notes` receives what had to be assumed. kUnsupported names an architecture this version does not run.
Result<ModelConfig> parse_gguf_config(const GgufFile& file, std::vector<std::string>& notes);

// The recommended sampling (general.sampling.*), and the tokens that end an answer beside those that
// tokenizer.ggml names. kFormatError for a value of the wrong type; a number out of range is left out.
Status read_gguf_generation(const GgufFile& file, GenerationDefaults& defaults,
                            std::vector<TokenId>& end_of_generation);

}  // namespace rotor
