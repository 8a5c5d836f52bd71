// SPDX-License-Identifier: Apache-2.0
// What programs do with a text that may name a model of the hub: whether it does, and where that model
// then lies. The command line and the Python package share it.
#pragma once

#include <rotor/status.h>

#include <string>

#include "hub/hub_download.h"
#include "hub/hub_name.h"
#include "hub/hub_settings.h"

namespace rotor {

// Whether the text means a model of the hub: an alias, or a name that is no path. A path that exists
// always wins, and so does a folder that exists for what would lie in it.
bool means_hub_model(const std::string& given);

// The name that an alias stands for, or that the text is. Errors as parse_hub_name().
Result<HubName> hub_name_of(const std::string& given, const HubSettings& settings);

// pull_model(), whose network errors also say what the cache has instead.
Result<PulledModel> pull_hub_model(const HubName& name, const HubSettings& settings,
                                   const PullOptions& options);

// The path of the model. Asks the hub only when the cache has not all of it. Errors as pull_model().
Result<std::string> hub_model_path(const HubName& name, const HubSettings& settings,
                                   const PullOptions& options);

}  // namespace rotor
