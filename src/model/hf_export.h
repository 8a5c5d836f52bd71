// SPDX-License-Identifier: Apache-2.0
// Writing a model as a Hugging Face folder that transformers loads: packed ternary weights, JSON files.
#pragma once

#include <rotor/status.h>

#include <cstdint>
#include <string>

#include "model/conversion.h"

namespace rotor {

inline constexpr uint64_t kHfShardBytes = 5'000'000'000;  // where transformers cuts, too

// Writes `source` as the new folder `path`: safetensors, in several files where they would exceed
// `shard_bytes`, config.json, generation_config.json, tokenizer.json and tokenizer_config.json, and what
// else the model needs (docs/formats/safetensors.md). The folder is read back and compared before it gets its name
// (kVerificationFailed). Memory: the packed matrices of a layer and the tokenizer's text. Numbers keep
// their bits: each is stored in the model's own type where that holds it, else in F32. kUnsupported,
// before anything is written, for what the format cannot hold. When it fails or is cancelled, nothing
// is left; a folder that holds files is never touched.
Result<ConvertResult> convert_to_hf(const ModelSource& source, const std::string& path,
                                    uint64_t shard_bytes, ThreadPool& pool,
                                    const ProgressCallback& progress, const CancelFlag* cancel);

}  // namespace rotor
