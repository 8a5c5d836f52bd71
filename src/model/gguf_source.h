// SPDX-License-Identifier: Apache-2.0
// GGUF files of BitNet models (architectures bitnet, bitnet-25, bitnet-b1.58).
#pragma once

#include <rotor/status.h>

#include <string>

#include "model/model_source.h"

namespace rotor {

Result<ModelSource> gguf_source(const std::string& path, const SourceOptions& options);

}  // namespace rotor
