// SPDX-License-Identifier: Apache-2.0
// The JSON files of a Hugging Face model directory, as far as they decide what is computed.
#pragma once

#include <rotor/status.h>
#include <rotor/token.h>

#include <string>
#include <vector>

#include "model/config.h"
#include "model/family.h"
#include "model/model.h"

namespace rotor {

// What quantization_config, or MLX's quantization, says about the linear layers.
struct HfQuantization {
  bool present = false;
  // "autobitlinear": y = acc * weight_scale; "bitlinear" or absent: y = acc / weight_scale
  // (transformers, integrations/bitnet.py).
  bool scale_multiplies = false;
  bool online = false;       // float masters, ternarised when loaded
  size_t mlx_group = 0;      // columns of a group of MLX's 2-bit matrices; 0: they are not MLX's
  bool input_norms = false;  // "use_rms_norm": a norm of its own on the input of each matrix
  float input_norm_eps = 0;
};

struct HfConfig {
  ModelConfig model;
  const Family* family = nullptr;
  HfQuantization quantization;
  std::vector<TokenId> eos;  // eos_token_id: a number or a list
};

// 1_Pooling/config.json of a sentence-transformers folder. kUnsupported unless one way is chosen.
Result<Pooling> parse_pooling_config(std::string_view json, const std::string& name);

// config.json. kUnsupported names an architecture or feature this version does not compute;
// kFormatError a field that is missing, of the wrong type or out of range. `name` is the file's path.
Result<HfConfig> parse_hf_config(std::string_view json, const std::string& name);

// generation_config.json: sampling defaults; its eos_token_id goes to `eos`.
Result<GenerationDefaults> parse_generation_config(std::string_view json, const std::string& name,
                                                   std::vector<TokenId>& eos);

// tokenizer_config.json: the chat template, or empty. Of a list of named templates, "default".
Result<std::string> parse_chat_template(std::string_view json, const std::string& name);

}  // namespace rotor
