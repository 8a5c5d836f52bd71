// SPDX-License-Identifier: Apache-2.0
// Hugging Face directories of the families in model/family.h: packed uint8 or float
// master weights, one file or shards.
#pragma once

#include <rotor/status.h>

#include <string>

#include "model/model_source.h"

namespace rotor {

// `path`: the directory, or a .safetensors file in it.
Result<ModelSource> hf_source(const std::string& path);

}  // namespace rotor
