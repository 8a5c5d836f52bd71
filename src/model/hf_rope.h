// SPDX-License-Identifier: Apache-2.0
// Rotary embedding in config.json: rope_theta, rope_scaling, rope_parameters.
#pragma once

#include <rotor/status.h>

#include <string>

#include "base/json.h"
#include "model/config.h"

namespace rotor {

// Base and scaling from `root`, a whole config.json, into model. REQUIRES: its context, experts and, where
// the fields are absent, the family's bases. kUnsupported for a scaling that is not computed.
Status read_hf_rope(JsonValue root, const std::string& name, ModelConfig& model);

}  // namespace rotor
