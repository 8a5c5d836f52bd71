// SPDX-License-Identifier: Apache-2.0
// What config.json says in one family alone. Each reads `root`, the whole file, into a model that has its sizes;
// kUnsupported names a field whose value is not computed.
#pragma once

#include <rotor/status.h>

#include <string>

#include "base/json.h"
#include "model/config.h"

namespace rotor {

// MiniCPM's multipliers: the embedding times scale_emb, what a half of a layer adds times
// scale_depth / sqrt(layers), the input of the head divided by hidden / dim_model_base.
Status read_minicpm(JsonValue root, const std::string& name, ModelConfig& model);

// Gemma 3: windows, the rotary base of layers with one, the embedding times sqrt(hidden), a scale of attention
// of its own.
Status read_gemma3(JsonValue root, const std::string& name, ModelConfig& model);

// Maple: experts, windows in most layers, a rotary embedding of a part of each head in those. Its own code has
// gate and up bounded by 7, and a query see the `sliding_window` positions before its own.
Status read_maple(JsonValue root, const std::string& name, ModelConfig& model);

}  // namespace rotor
