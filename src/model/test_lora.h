// SPDX-License-Identifier: Apache-2.0
// Adapters made up for a model, as the files of PEFT. Test code.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "model/lora.h"
#include "model/test_files.h"

namespace rotor::test {

// config.json and tensors, open to be spoiled before they are written.
struct LoraFiles {
  HfFiles files;

  static std::string tensor(size_t layer, LinearRole role, char side) {
    return "base_model.model." + HfFiles::linear(layer, role) + ".lora_" + side + ".weight";
  }
  std::string tensors() const {
    return files.weights([](const std::string&) { return true; });
  }
  void write(const TestFolder& folder) const {
    folder.put("adapter_config.json", files.config_json());
    folder.put("adapter_model.safetensors", tensors());
  }
  Result<std::shared_ptr<const LoraAdapter>> open(const ModelConfig& model) const {
    ROTOR_ASSIGN(const LoraConfig config, parse_lora_config(files.config_json(), "config"));
    ROTOR_ASSIGN(const SafetensorsFile file,
                 SafetensorsFile::parse(File::from_memory(tensors(), "tensors")));
    return LoraAdapter::read(config, file, model);
  }
};

// Normal numbers: of A with deviation 1 / sqrt(in), of B 1 / sqrt(rank).
inline LoraFiles random_lora(const ModelConfig& model, size_t rank, double alpha,
                             const std::vector<std::pair<size_t, LinearRole>>& places,
                             FloatType type = FloatType::kF32, uint32_t seed = 1) {
  std::mt19937 random(seed);
  const auto numbers = [&](size_t count, size_t inputs) {
    std::normal_distribution<float> normal(0.0f, 1.0f / std::sqrt(static_cast<float>(inputs)));
    std::vector<float> values(count);
    for (float& value : values) {
      value = normal(random);
    }
    return values;
  };
  LoraFiles lora;
  lora.files.config = {{"peft_type", R"("LORA")"},
                       {"r", std::to_string(rank)},
                       {"lora_alpha", std::to_string(alpha)}};
  for (const auto& [layer, role] : places) {
    const MatrixShape shape = linear_shape(model, role);
    lora.files.put_floats(LoraFiles::tensor(layer, role, 'A'), {rank, shape.cols},
                          numbers(rank * shape.cols, shape.cols), type);
    lora.files.put_floats(LoraFiles::tensor(layer, role, 'B'), {shape.rows, rank},
                          numbers(shape.rows * rank, rank), type);
  }
  return lora;
}

// Every matrix of the model.
inline std::vector<std::pair<size_t, LinearRole>> all_places(const ModelConfig& model) {
  std::vector<std::pair<size_t, LinearRole>> places;
  for (size_t layer = 0; layer < model.layers; ++layer) {
    for (size_t r = 0; r < kLinearRoles; ++r) {
      places.emplace_back(layer, static_cast<LinearRole>(r));
    }
  }
  return places;
}

}  // namespace rotor::test
