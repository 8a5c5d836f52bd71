// SPDX-License-Identifier: Apache-2.0
// Tensor and metadata names of the .rotor file (docs/formats/rotor-file.md), in one place for the
// reader and the writer.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "model/layer_norms.h"
#include "model/trace.h"

namespace rotor::rotor_names {

inline constexpr const char* kVersionKey = "rotor.version";
inline constexpr const char* kVersion = "1";
inline constexpr const char* kTritsKey = "rotor.trits_sha256";

inline constexpr const char* kEmbed = "embed.weight";
inline constexpr const char* kHead = "head.weight";
inline constexpr const char* kOutputNorm = "output_norm.weight";
inline constexpr const char* kConfig = "config";
inline constexpr const char* kTokenizer = "tokenizer";
inline constexpr const char* kChatTemplate = "chat_template";

// "layers.3.attn_norm.weight"
inline std::string layer_norm(size_t layer, NormRole role) {
  return "layers." + std::to_string(layer) + "." + std::string(norm_role_name(role)) + ".weight";
}
// "layers.3.router.weight"
inline std::string router(size_t layer) { return "layers." + std::to_string(layer) + ".router.weight"; }
// "layers.3.gate.weight", "layers.3.gate.scale" and "layers.3.gate.input_norm"
inline std::string linear(size_t layer, LinearRole role, const char* part) {
  return "layers." + std::to_string(layer) + "." + std::string(linear_role_name(role)) + "." + part;
}

}  // namespace rotor::rotor_names
