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

// --lora ADAPTER or ADAPTER:SCALE, repeatable; `out` gets the texts.
void add_lora_option(CLI::App& app, std::vector<std::string>& out);

// The adapters of such texts, for a model of the config: folders, or names of the hub, which are downloaded
// where the cache has not all of them. A text that is a path is one, even with a colon. kInvalidArgument for a
// scale that is no finite number; errors of the hub and of LoraAdapter::open().
Result<LoraSet> open_loras(const std::vector<std::string>& texts, const ModelConfig& model, bool quiet);

}  // namespace rotor::cli
