// SPDX-License-Identifier: Apache-2.0
// Writing a model in any container Rotor writes.
#pragma once

#include <rotor/status.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/conversion.h"
#include "model/gguf_weights.h"

namespace rotor {

enum class ConvertTarget : uint8_t { kRotor, kGguf, kHuggingFace };

std::string_view convert_target_name(ConvertTarget target);  // "rotor", "gguf", "hf"
std::optional<ConvertTarget> parse_convert_target(std::string_view name);

// What a name promises: ".gguf", or a folder (one that exists, or a name that ends in "/"); .rotor for
// all others. kInvalidArgument for ".safetensors": a model is a folder of such files.
Result<ConvertTarget> convert_target_of(const std::string& path);

struct ConvertOptions {
  ConvertTarget target = ConvertTarget::kRotor;
  std::optional<GgufWeights> gguf_weights;  // kGguf; else default_gguf_weights()
  bool allow_rounding = false;              // kGguf: of scales that it cannot hold exactly
};

// Streaming and atomic: when it fails or is cancelled, what was at `path` stays as it was. The trits
// written are proved to be those read (kVerificationFailed). kInvalidArgument when `path` is the source;
// kUnsupported for what the container cannot hold.
Result<ConvertResult> convert_model(const ModelSource& source, const std::string& path,
                                    const ConvertOptions& options, ThreadPool& pool,
                                    const ProgressCallback& progress, const CancelFlag* cancel);

}  // namespace rotor
