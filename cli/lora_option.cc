// SPDX-License-Identifier: Apache-2.0
#include "lora_option.h"

#include <CLI/CLI.hpp>

#include <charconv>
#include <cmath>
#include <filesystem>

#include "hub_model.h"
#include "model/lora.h"
#include "repeated_option.h"

namespace rotor::cli {
namespace {

// Cuts ":SCALE" off the name, if it ends so: a name of the hub may end in a folder, org/name:folder:0.5.
Result<float> take_scale(std::string& name) {
  const size_t colon = name.rfind(':');
  std::error_code error;
  if (colon == std::string::npos || std::filesystem::exists(name, error)) {
    return 1.0f;
  }
  const std::string text = name.substr(colon + 1);
  float scale = 0.0f;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), scale);
  const bool is_scale = failure == std::errc() && end == text.data() + text.size() && std::isfinite(scale);
  if (!is_scale && means_hub_model(name)) {
    return 1.0f;
  }
  if (!is_scale) {
    return invalid_argument("--lora " + name +
                            ": no such folder, and what follows the colon is no scale");
  }
  name.resize(colon);
  return scale;
}

}  // namespace

void add_lora_option(CLI::App& app, std::vector<std::string>& out) {
  add_texts(app, "--lora", out,
            "a low-rank adapter in PEFT's format: a folder with adapter_config.json and "
            "adapter_model.safetensors, or org/name[@revision][:folder] of the hub; may be repeated, each "
            "with a scale of its own (1)")
      ->type_name("ADAPTER[:SCALE]");
}

Result<LoraSet> open_loras(const std::vector<std::string>& texts, const ModelConfig& model, bool quiet) {
  LoraSet set;
  for (std::string path : texts) {
    ROTOR_ASSIGN(const float scale, take_scale(path));
    if (means_hub_model(path)) {
      ROTOR_ASSIGN(path, model_of_the_hub(path, quiet));
    }
    ROTOR_ASSIGN(std::shared_ptr<const LoraAdapter> adapter, LoraAdapter::open(path, model));
    set.push_back({std::move(adapter), scale});
  }
  return set;
}

}  // namespace rotor::cli
