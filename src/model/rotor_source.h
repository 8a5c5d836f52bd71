// SPDX-License-Identifier: Apache-2.0
// Opening a .rotor file (docs/formats/rotor-file.md).
#pragma once

#include <rotor/status.h>

#include <string>

#include "io/safetensors.h"
#include "model/model_source.h"

namespace rotor {

Result<ModelSource> rotor_source(const std::string& path);
// The same for a file that is open already, or lies in memory.
Result<ModelSource> rotor_source(SafetensorsFile file);

}  // namespace rotor
