// SPDX-License-Identifier: Apache-2.0
// GGUF files of the families in model/family.h.
#pragma once

#include <rotor/status.h>

#include <string>

#include "model/model_source.h"

namespace rotor {

Result<ModelSource> gguf_source(const std::string& path, const SourceOptions& options);

}  // namespace rotor
