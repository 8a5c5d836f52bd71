// SPDX-License-Identifier: Apache-2.0
// Models of the Hugging Face hub behind a MODEL argument: found in the cache, else downloaded.
#pragma once

#include <rotor/status.h>

#include <string>

#include "hub/hub_download.h"
#include "hub/hub_name.h"
#include "hub/hub_settings.h"

namespace rotor::cli {

// hub_settings() with this program's name and version.
Result<HubSettings> program_hub_settings();

// Whether MODEL means a model of the hub: an alias, or a name that is no path. A path that exists
// always wins, and so does a folder that exists for what would lie in it.
bool means_hub_model(const std::string& given);

// The name that an alias stands for, or that the text is.
Result<HubName> hub_name_of(const std::string& given, const HubSettings& settings);

// Downloads what the cache lacks; a progress bar on a terminal, else a line that says so.
Result<PulledModel> pull(const HubName& name, const HubSettings& settings, bool quiet);

// The path of the model. Asks the hub only when the cache has not all of it.
Result<std::string> hub_model_path(const std::string& given, bool quiet);

}  // namespace rotor::cli
