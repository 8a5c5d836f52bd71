// SPDX-License-Identifier: Apache-2.0
#include "lora_option.h"

#include <CLI/CLI.hpp>

#include <charconv>
#include <cmath>
#include <filesystem>

#include "model/lora.h"
#include "repeated_option.h"

namespace rotor::cli {
namespace {

// Cuts ":SCALE" off the path, if the text ends so.
Result<float> take_scale(std::string& path) {
  const size_t colon = path.rfind(':');
  std::error_code error;
  if (colon == std::string::npos || std::filesystem::exists(path, error)) {
    return 1.0f;
  }
  const std::string text = path.substr(colon + 1);
  float scale = 0.0f;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), scale);
  if (failure != std::errc() || end != text.data() + text.size() || !std::isfinite(scale)) {
    return invalid_argument("--lora " + path +
                            ": no such folder, and what follows the colon is no scale");
  }
  path.resize(colon);
  return scale;
}

}  // namespace

void add_lora_option(CLI::App& app, std::vector<std::string>& out) {
  add_texts(app, "--lora", out,
            "a low-rank adapter in PEFT's format: a folder with adapter_config.json and "
            "adapter_model.safetensors; may be repeated, each with a scale of its own (1)")
      ->type_name("PATH[:SCALE]");
}

Result<LoraSet> open_loras(const std::vector<std::string>& texts, const ModelConfig& model) {
  LoraSet set;
  for (std::string path : texts) {
    ROTOR_ASSIGN(const float scale, take_scale(path));
    ROTOR_ASSIGN(std::shared_ptr<const LoraAdapter> adapter, LoraAdapter::open(path, model));
    set.push_back({std::move(adapter), scale});
  }
  return set;
}

}  // namespace rotor::cli
