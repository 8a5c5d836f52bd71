// SPDX-License-Identifier: Apache-2.0
// Writing a model as a .rotor file: streaming, atomic, proved lossless.
#pragma once

#include <rotor/status.h>

#include <string>

#include "model/conversion.h"

namespace rotor {

// Writes `source` to `path`. Memory: the packed matrices of a layer and the tokenizer's text. Every row
// block is unpacked again and compared before it is written (kVerificationFailed). kInvalidArgument
// when `path` is the source itself or a folder. When it fails or is cancelled, what was at `path` stays
// as it was.
Result<ConvertResult> convert_to_rotor(const ModelSource& source, const std::string& path,
                                       ThreadPool& pool, const ProgressCallback& progress,
                                       const CancelFlag* cancel);

}  // namespace rotor
