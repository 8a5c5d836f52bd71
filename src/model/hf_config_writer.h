// SPDX-License-Identifier: Apache-2.0
// The JSON files of a Hugging Face model folder, as transformers reads them: the reverse of
// model/hf_config.h.
#pragma once

#include <rotor/token.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/model_source.h"

namespace rotor {

// "bfloat16", "float16" or "float32": what transformers computes in.
std::string_view hf_dtype_name(FloatType type);

// What a weight_scale does to its matrix, in transformers' classes of linear layers.
enum class HfScale : uint8_t { kMultiplies, kDivides };  // "autobitlinear", "bitlinear"

std::string write_hf_config(const ModelSource& source, FloatType dtype, HfScale scale,
                            const std::vector<TokenId>& ends);
// 1_Pooling/config.json, as sentence-transformers reads it. REQUIRES: config.pooling is stated.
std::string write_pooling_config(const ModelConfig& config);
std::string write_generation_config(const ModelSource& source, const std::vector<TokenId>& ends);
// With the chat template. REQUIRES: the source has a tokenizer or a template.
std::string write_tokenizer_config(const ModelSource& source);

}  // namespace rotor
