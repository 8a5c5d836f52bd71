// SPDX-License-Identifier: Apache-2.0
// Models of the Hugging Face hub behind a MODEL argument: found in the cache, else downloaded.
#pragma once

#include <rotor/status.h>

#include <string>

#include "hub/hub_model.h"

namespace rotor::cli {

// hub_settings() with this program's name and version.
Result<HubSettings> program_hub_settings();

// Downloads what the cache lacks; a progress bar on a terminal, else a line that says so.
Result<PulledModel> pull(const HubName& name, const HubSettings& settings, bool quiet);

// The path of the model. Asks the hub only when the cache has not all of it.
Result<std::string> model_of_the_hub(const std::string& given, bool quiet);

}  // namespace rotor::cli
