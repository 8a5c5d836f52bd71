// SPDX-License-Identifier: Apache-2.0
// Tensor types of GGUF files: names and block sizes by id. Forks of ggml gave some ids two
// meanings; those have no size here, and the span of the tensor in the file has to tell them apart
// (docs/formats/gguf.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rotor {

// The ids Rotor's loader asks for by name.
enum GgufType : uint32_t {
  kGgufF32 = 0,
  kGgufF16 = 1,
  kGgufQ4_0 = 2,
  kGgufQ8_0 = 8,
  kGgufQ4K = 12,
  kGgufQ6K = 14,
  kGgufBF16 = 30,
  kGgufTQ1_0 = 34,
  kGgufTQ2_0 = 35,
  kGgufI2S = 36,
  kGgufTL1 = 38,
  kGgufTL2 = 39,
  kGgufQ1_0 = 41,
  kGgufQ2_0 = 42,
  kGgufIQ1BN = 134,
  kGgufIQ2BN = 135,
  kGgufPQ2_0 = 142,
  kGgufPTQ1_0 = 143,
  kGgufIQ2BNR4 = 335,
};

struct GgufTypeInfo {
  uint32_t id;
  std::string_view name;    // "Q6_K"; both names where an id has two meanings: "MXFP4 or TL2"
  uint32_t block_elements;  // along the first dimension; 1 when unknown
  uint32_t block_bytes;     // 0 when the id alone does not tell
};

// nullptr for an id that no known writer uses.
const GgufTypeInfo* gguf_type_info(uint32_t id);

// The name, or "type 77".
std::string gguf_type_name(uint32_t id);

// Bytes of `elements` elements; nullopt when the type has no fixed size, when they are no whole
// blocks, or when the product overflows.
std::optional<uint64_t> gguf_type_bytes(const GgufTypeInfo& type, uint64_t elements);

}  // namespace rotor
