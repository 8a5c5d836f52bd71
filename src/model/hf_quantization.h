// SPDX-License-Identifier: Apache-2.0
// How config.json says that its matrices are stored.
#pragma once

#include <rotor/status.h>

#include <string>

#include "base/json.h"
#include "model/hf_config.h"

namespace rotor {

// Reads `root`, the whole file. `bits_in_config`: without any of these objects the fields weight_bits and input_bits
// are asked for. kUnsupported for another method, or layers that are not ternary.
Result<HfQuantization> read_hf_quantization(JsonValue root, const std::string& name, bool bits_in_config);

}  // namespace rotor
