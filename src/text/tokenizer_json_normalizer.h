// SPDX-License-Identifier: Apache-2.0
// The normalizer of a tokenizer.json.
#pragma once

#include <rotor/status.h>

#include "base/json.h"
#include "text/tokenizer_spec.h"

namespace rotor {

// Reads root["normalizer"] into spec.normalizers. kUnsupported names every kind or option that Rotor
// does not follow.
Status read_json_normalizer(JsonValue root, TokenizerSpec& spec);

}  // namespace rotor
