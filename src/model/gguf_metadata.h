// SPDX-License-Identifier: Apache-2.0
// A model's configuration, end tokens, tokenizer and chat template as the metadata of a GGUF file: the
// reverse of model/gguf_config.h and of what model/text_source.h reads.
#pragma once

#include <rotor/status.h>

#include <string>
#include <vector>

#include "io/gguf_writer.h"
#include "model/gguf_weights.h"
#include "model/model_source.h"

namespace rotor {

inline constexpr const char* kGgufTritsKey = "rotor.trits_sha256";

// All entries, with 64 zeros for the trits' checksum. kUnsupported for what no key can say; for
// rope_theta and rotary scaling, which are binary32 there, only unless `allow_rounding`. What other programs will not read,
// or what is lost, goes to `notes`.
Result<std::vector<GgufWriter::Entry>> gguf_metadata(const ModelSource& source, GgufWeights type,
                                                     bool allow_rounding,
                                                     std::vector<std::string>& notes);

}  // namespace rotor
