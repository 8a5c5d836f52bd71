// SPDX-License-Identifier: Apache-2.0
// --lora: low-rank adapters for everything that a command computes.
#pragma once

#include <rotor/lora.h>
#include <rotor/status.h>

#include <string>
#include <vector>

#include "model/config.h"

namespace CLI {
class App;
}

namespace rotor::cli {

// --lora PATH or PATH:SCALE, repeatable; `out` gets the texts.
void add_lora_option(CLI::App& app, std::vector<std::string>& out);

// The adapters of such texts, for a model of the config. A text that is a path is one, even with a
// colon. kInvalidArgument for a scale that is no finite number; errors of LoraAdapter::open().
Result<LoraSet> open_loras(const std::vector<std::string>& texts, const ModelConfig& model);

}  // namespace rotor::cli
