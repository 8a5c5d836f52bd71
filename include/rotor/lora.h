// SPDX-License-Identifier: Apache-2.0
// Low-rank adapters (LoRA): what a fine-tuning adds to the matrices of a model, kept apart from them.
#pragma once

#include <memory>
#include <vector>

namespace rotor {

// An adapter that was loaded for a model: LanguageModel::load_lora(). Immutable; it may be used by
// several requests and threads at once, and lives as long as somebody holds it.
class LoraAdapter;

// An adapter and how much of it: what it adds is multiplied by `scale`.
struct Lora {
  std::shared_ptr<const LoraAdapter> adapter;
  float scale = 1.0f;  // finite

  friend bool operator==(const Lora&, const Lora&) = default;
};

// Several are added in their order.
using LoraSet = std::vector<Lora>;

}  // namespace rotor
