// SPDX-License-Identifier: Apache-2.0
// Models split over several GGUF files, as gguf-split of llama.cpp writes them:
// name-00001-of-00003.gguf and so on, each a GGUF file of its own with split.no (from 0),
// split.count and split.tensors.count. The metadata are in the first.
#pragma once

#include <rotor/status.h>

#include <cstdint>
#include <optional>
#include <string>

#include "io/gguf.h"

namespace rotor {

// "name-00002-of-00003.gguf" for part 1 of the files that `path` is one of; nullopt when `path` is
// not named like a part. REQUIRES: part < 99,999.
std::optional<std::string> gguf_part_path(const std::string& path, uint32_t part);

// How many files the model of `file` has, by its split.count; 1 when it is not split. kFormatError
// for a count or number that is none.
Result<uint32_t> gguf_part_count(const GgufFile& file);

// The whole model that `part`, opened from its path, is a part of. kFormatError, naming the file,
// for one that is missing, is another part than its name says, or belongs to another model.
Result<GgufFile> open_gguf_parts(GgufFile part);

}  // namespace rotor
