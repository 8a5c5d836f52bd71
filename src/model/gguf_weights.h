// SPDX-License-Identifier: Apache-2.0
// The types in which ternary matrices are written to GGUF files: which matrix each can hold, and its
// bytes.
#pragma once

#include <rotor/status.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/conversion.h"
#include "model/model_source.h"

namespace rotor {

enum class GgufWeights : uint8_t {
  kI2S,       // layout 128, one scale a matrix
  kTQ1_0,     // the others: a binary16 scale for each block of a row
  kTQ2_0,
  kQ2_0,      // blocks of 64, as in llama.cpp
  kQ2_0_128,  // blocks of 128, as in PrismML's fork, under the same id
};
inline constexpr GgufWeights kAllGgufWeights[] = {GgufWeights::kI2S, GgufWeights::kTQ1_0,
                                                  GgufWeights::kTQ2_0, GgufWeights::kQ2_0,
                                                  GgufWeights::kQ2_0_128};

std::string_view gguf_weights_name(GgufWeights type);  // "i2_s", "tq1_0", ..., "q2_0-g128"
std::optional<GgufWeights> parse_gguf_weights(std::string_view name);
uint32_t gguf_weights_id(GgufWeights type);         // of the tensor type
uint32_t gguf_weights_file_type(GgufWeights type);  // general.file_type

// kUnsupported, with the types that would do, when `type` cannot hold every matrix of `source`: rows
// that are no whole blocks, or scales for smaller parts than it has scales for.
Status check_gguf_weights(const ModelSource& source, GgufWeights type);

// i2_s where it can hold every matrix, else q2_0, which can if any can.
GgufWeights default_gguf_weights(const ModelSource& source);

// A binary16 scale cannot hold every binary32 one. Where a matrix has a single scale, the blocks have 1
// and the scale goes into a tensor of its own beside the matrix: its value, or nullopt when none is
// needed.
std::optional<float> scale_beside(const LinearSource& linear, GgufWeights type);

uint64_t gguf_weights_bytes(const LinearSource& linear, GgufWeights type);

// The bytes of a tensor. A scale that binary16 does not hold is rounded where `allow_rounding`, else
// kUnsupported, naming it; one that it has no number near is always refused.
// With `paired_head_dim`, the rows go in the order of model/paired_rows.h for heads of that size.
// REQUIRES: check_gguf_weights() is ok; paired_head_dim is 0, or even and divides the rows.
Result<PackedMatrix> pack_gguf_weights(const LinearSource& linear, GgufWeights type,
                                       bool allow_rounding, size_t paired_head_dim = 0);

}  // namespace rotor
