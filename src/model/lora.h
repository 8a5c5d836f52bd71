// SPDX-License-Identifier: Apache-2.0
// LoraAdapter: the low-rank matrices A and B that stand beside matrices of a model, y = W x + B(A x)
// scaling, read from a folder in PEFT's format (docs/lora.md). They stay in the types of the file;
// B is turned, so that neighbouring outputs lie side by side.
#pragma once

#include <rotor/lora.h>
#include <rotor/status.h>

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "io/safetensors.h"
#include "model/config.h"
#include "model/lora_config.h"
#include "model/trace.h"
#include "model/weights.h"

namespace rotor {

// What an adapter adds to one matrix of the model, (out, in).
struct LowRank {
  size_t rank = 0;                // 0: nothing
  size_t rows = 0;                // out
  const std::byte* a = nullptr;   // (rank, in) of a_type
  const std::byte* b = nullptr;   // (rank, out) of b_type, the file's (out, rank) turned
  FloatType a_type = FloatType::kF32;
  FloatType b_type = FloatType::kF32;
  double scaling = 0.0;
};

class LoraAdapter {
 public:
  // A folder with adapter_config.json and adapter_model.safetensors, for a model of this config.
  // kNotFound, kIoError; kFormatError and kUnsupported name the field or tensor; kInvalidArgument for
  // an adapter of another model; kOutOfMemory.
  static Result<std::shared_ptr<const LoraAdapter>> open(const std::string& folder,
                                                         const ModelConfig& model);
  static Result<std::shared_ptr<const LoraAdapter>> read(const LoraConfig& config,
                                                         const SafetensorsFile& tensors,
                                                         const ModelConfig& model);

  // REQUIRES: fits() the model that has the layer.
  const LowRank& of(size_t layer, LinearRole role) const {
    return layers_[layer][static_cast<size_t>(role)];
  }
  // The largest rank of all matrices.
  size_t most_rank() const { return most_rank_; }
  // Whether the matrices of the model have the shapes that the adapter was read for.
  bool fits(const ModelConfig& model) const;

 private:
  LoraAdapter() = default;

  ModelConfig model_;
  std::vector<std::array<LowRank, kLinearRoles>> layers_;
  size_t most_rank_ = 0;
  Buffer memory_;  // all A and B
};

// kInvalidArgument when an adapter is missing or of another model, or a scale is not finite.
Status check_lora(const LoraSet& set, const ModelConfig& model);

}  // namespace rotor
