// SPDX-License-Identifier: Apache-2.0
// Of models published packed and as masters the packed form is meant: it is the smaller download of
// the same trits.
#include "hub/hub_aliases.h"

#include <algorithm>

namespace rotor {
namespace {

constexpr HubAlias kAliases[] = {
    {"bitnet-2b-4t", "microsoft/bitnet-b1.58-2B-4T", "BitNet b1.58 2B-4T, packed"},
    {"bitnet-2b-4t-bf16", "microsoft/bitnet-b1.58-2B-4T-bf16", "its master weights, 4.8 GB"},
    {"bitnet-2b-4t-gguf", "microsoft/bitnet-b1.58-2B-4T-gguf", "BitNet b1.58 2B-4T, GGUF I2_S"},
    {"bitnet-large", "1bitLLM/bitnet_b1_58-large", "0.7 B reproduction of BitNet b1.58"},
    {"bitnet-xl", "1bitLLM/bitnet_b1_58-xl", "1.3 B reproduction"},
    {"bitnet-3b", "1bitLLM/bitnet_b1_58-3B", "3.3 B reproduction"},
    {"llama3-8b-1.58", "HF1BitLLM/Llama3-8B-1.58-100B-tokens", "Llama 3 8B tuned to ternary"},
    {"falcon3-1b", "tiiuae/Falcon3-1B-Instruct-1.58bit", "Falcon3 1B Instruct"},
    {"falcon3-3b", "tiiuae/Falcon3-3B-Instruct-1.58bit", "Falcon3 3B Instruct"},
    {"falcon3-7b", "tiiuae/Falcon3-7B-Instruct-1.58bit", "Falcon3 7B Instruct"},
    {"falcon3-10b", "tiiuae/Falcon3-10B-Instruct-1.58bit", "Falcon3 10B Instruct"},
    {"falcon3-10b-gguf", "tiiuae/Falcon3-10B-Instruct-1.58bit-GGUF", "the same, GGUF I2_S"},
    {"falcon-e-1b", "tiiuae/Falcon-E-1B-Instruct", "Falcon-E 1B Instruct"},
    {"falcon-e-1b-gguf", "tiiuae/Falcon-E-1B-Instruct-GGUF", "the same, GGUF I2_S"},
    {"falcon-e-3b", "tiiuae/Falcon-E-3B-Instruct", "Falcon-E 3B Instruct"},
    {"falcon-e-3b-gguf", "tiiuae/Falcon-E-3B-Instruct-GGUF", "the same, GGUF I2_S"},
    {"bonsai-1.7b", "prism-ml/Ternary-Bonsai-1.7B-gguf", "Ternary Bonsai 1.7B, GGUF Q2_0"},
    {"bonsai-4b", "prism-ml/Ternary-Bonsai-4B-gguf", "Ternary Bonsai 4B, GGUF Q2_0"},
    {"bonsai-8b", "prism-ml/Ternary-Bonsai-8B-gguf", "Ternary Bonsai 8B, GGUF Q2_0"},
    {"bitnet-embedding-0.6b", "microsoft/bitnet-embedding-0.6b", "text embeddings, 0.6 B"},
    {"bitnet-embedding-270m", "microsoft/bitnet-embedding-270m", "text embeddings, 270 M"},
    {"trilm-99m", "SpectraSuite/TriLM_99M_Unpacked", "TriLM 99M"},
    {"trilm-3.9b", "SpectraSuite/TriLM_3.9B_Unpacked", "TriLM 3.9B"},
};

}  // namespace

std::span<const HubAlias> hub_aliases() { return kAliases; }

const HubAlias* find_hub_alias(std::string_view text) {
  const auto* const found =
      std::find_if(std::begin(kAliases), std::end(kAliases),
                   [&](const HubAlias& alias) { return alias.alias == text; });
  return found == std::end(kAliases) ? nullptr : found;
}

}  // namespace rotor
