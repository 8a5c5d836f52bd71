// SPDX-License-Identifier: Apache-2.0
// Writing a model as a GGUF file: streaming, atomic, proved lossless.
#pragma once

#include <rotor/status.h>

#include <string>

#include "model/conversion.h"
#include "model/gguf_weights.h"

namespace rotor {

// Writes `source` to `path` with its ternary matrices as `type`; the embedding and head keep their
// type. The file is read back and compared before it gets its name (kVerificationFailed). Memory: the
// packed matrices of a layer and the vocabulary. kUnsupported, before anything is written, for what the
// format or the type cannot hold; with `allow_rounding` scales, and rope_theta, that it cannot hold
// exactly are rounded, and the notes say by how much. When it fails or is cancelled, what was at `path`
// stays as it was.
Result<ConvertResult> convert_to_gguf(const ModelSource& source, const std::string& path,
                                      GgufWeights type, bool allow_rounding, ThreadPool& pool,
                                      const ProgressCallback& progress, const CancelFlag* cancel);

}  // namespace rotor
