// SPDX-License-Identifier: Apache-2.0
// The table of tensor types, by id.
#include "io/gguf_types.h"

#include <algorithm>
#include <iterator>

#include "io/checked.h"

namespace rotor {
namespace {

constexpr GgufTypeInfo kTypes[] = {
    {0, "F32", 1, 4},
    {1, "F16", 1, 2},
    {2, "Q4_0", 32, 18},
    {3, "Q4_1", 32, 20},
    {6, "Q5_0", 32, 22},
    {7, "Q5_1", 32, 24},
    {8, "Q8_0", 32, 34},
    {9, "Q8_1", 32, 36},
    {10, "Q2_K", 256, 84},
    {11, "Q3_K", 256, 110},
    {12, "Q4_K", 256, 144},
    {13, "Q5_K", 256, 176},
    {14, "Q6_K", 256, 210},
    {15, "Q8_K", 256, 292},
    {16, "IQ2_XXS", 256, 66},
    {17, "IQ2_XS", 256, 74},
    {18, "IQ3_XXS", 256, 98},
    {19, "IQ1_S", 256, 50},
    {20, "IQ4_NL", 32, 18},
    {21, "IQ3_S", 256, 110},
    {22, "IQ2_S", 256, 82},
    {23, "IQ4_XS", 256, 136},
    {24, "I8", 1, 1},
    {25, "I16", 1, 2},
    {26, "I32", 1, 4},
    {27, "I64", 1, 8},
    {28, "F64", 1, 8},
    {29, "IQ1_M", 256, 56},
    {30, "BF16", 1, 2},
    {31, "Q4_0_4_4", 32, 18},
    {32, "Q4_0_4_8", 32, 18},
    {33, "Q4_0_8_8", 32, 18},
    {34, "TQ1_0", 256, 54},
    {35, "TQ2_0", 256, 66},
    {36, "I2_S", 1, 0},  // n/4 bytes and a tail for the whole tensor: io/i2s.h
    {37, "I8_S", 1, 0},
    {38, "TL1", 1, 0},
    {39, "MXFP4 or TL2", 1, 0},
    {40, "NVFP4 or I2_V", 1, 0},
    {41, "Q1_0 or I2_V_2", 1, 0},
    {42, "Q2_0, TL2 or I2_V_4", 1, 0},
    {43, "I2_V_8", 1, 0},
    {44, "I2_V_16", 1, 0},
    {45, "I1_V", 1, 0},
    {46, "I1_V_2", 1, 0},
    {47, "I1_V_4", 1, 0},
    {134, "IQ1_BN", 1, 0},
    {135, "IQ2_BN", 1, 0},
    {142, "PQ2_0", 128, 34},
    {143, "PTQ1_0", 128, 28},
    {335, "IQ2_BN_R4", 1, 0},
};

}  // namespace

const GgufTypeInfo* gguf_type_info(uint32_t id) {
  const auto* const found =
      std::lower_bound(std::begin(kTypes), std::end(kTypes), id,
                       [](const GgufTypeInfo& row, uint32_t wanted) { return row.id < wanted; });
  return found != std::end(kTypes) && found->id == id ? found : nullptr;
}

std::string gguf_type_name(uint32_t id) {
  const GgufTypeInfo* const type = gguf_type_info(id);
  return type == nullptr ? "type " + std::to_string(id) : std::string(type->name);
}

std::optional<uint64_t> gguf_type_bytes(const GgufTypeInfo& type, uint64_t elements) {
  if (type.block_bytes == 0 || elements % type.block_elements != 0) {
    return std::nullopt;
  }
  return checked_multiply(elements / type.block_elements, type.block_bytes);
}

}  // namespace rotor
