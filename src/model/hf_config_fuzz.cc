// SPDX-License-Identifier: Apache-2.0
// Fuzz target: any bytes as each of the JSON files of a Hugging Face folder. A config that is
// accepted has sizes the engine can compute with; every refusal has a message.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "model/hf_config.h"

namespace {

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

void require_refusal(const rotor::Status& status) {
  require(status.code() == rotor::Code::kFormatError || status.code() == rotor::Code::kUnsupported);
  require(status.message().starts_with("fuzz: "));
}

void require_ids(const std::vector<rotor::TokenId>& ids) {
  for (const rotor::TokenId id : ids) {
    require(id >= 0);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view json(reinterpret_cast<const char*>(data), size);
  const auto config = rotor::parse_hf_config(json, "fuzz");
  if (config.ok()) {
    require(rotor::validate(config->model).ok());
    require_ids(config->eos);
  } else {
    require_refusal(config.status());
  }
  std::vector<rotor::TokenId> eos;
  const auto defaults = rotor::parse_generation_config(json, "fuzz", eos);
  if (defaults.ok()) {
    require_ids(eos);
    require(!defaults->temperature || *defaults->temperature >= 0.0f);
    require(!defaults->top_p || (*defaults->top_p >= 0.0f && *defaults->top_p <= 1.0f));
  } else {
    require_refusal(defaults.status());
  }
  const auto pooling = rotor::parse_pooling_config(json, "fuzz");
  if (!pooling.ok()) {
    require_refusal(pooling.status());
  }
  const auto chat = rotor::parse_chat_template(json, "fuzz");
  if (!chat.ok()) {
    require_refusal(chat.status());
  }
  return 0;
}
