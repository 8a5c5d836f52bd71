// SPDX-License-Identifier: Apache-2.0
// From messages to the tokens of a prompt, and the line of statistics after an answer.
#pragma once

#include <rotor/generation.h>
#include <rotor/status.h>
#include <rotor/token.h>

#include <string>
#include <vector>

#include "model/model.h"
#include "model_options.h"

namespace rotor::cli {

// One user message after an optional system message.
Result<std::vector<TokenId>> encode_chat(const Model& model, const std::string& system,
                                         const std::string& user);

// "prompt 12 tokens, 345.6 tok/s | generation 64 tokens, 78.9 tok/s | load 0.12 s | peak 45.6 MB"
void print_statistics(const GenerationStats& stats, const LoadedModel& loaded);

}  // namespace rotor::cli
