// SPDX-License-Identifier: Apache-2.0
// The sizes and flags in the metadata of a GGUF file.
#pragma once

#include <rotor/status.h>

#include <string>
#include <vector>

#include "io/gguf.h"
#include "model/config.h"

namespace rotor {

// `notes` receives what had to be assumed. kUnsupported names an architecture this version does not run.
Result<ModelConfig> parse_gguf_config(const GgufFile& file, std::vector<std::string>& notes);

}  // namespace rotor
