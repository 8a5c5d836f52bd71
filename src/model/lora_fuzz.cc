// SPDX-License-Identifier: Apache-2.0
// Fuzz target: a first line as adapter_config.json, a second as the header of
// adapter_model.safetensors, the rest as its data. What is accepted can be read to the last byte;
// every refusal has a message.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "model/lora.h"
#include "model/model_source.h"

namespace {

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

void require_refusal(const rotor::Status& status) {
  require(status.code() == rotor::Code::kFormatError || status.code() == rotor::Code::kUnsupported ||
          status.code() == rotor::Code::kInvalidArgument);
  require(status.message().starts_with("fuzz: "));
}

rotor::ModelConfig tiny_model() {
  rotor::ModelConfig config;
  config.layers = 2;
  config.hidden = 4;
  config.ffn = 6;
  config.heads = 2;
  config.kv_heads = 1;
  config.head_dim = 2;
  return config;
}

std::string_view take_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

std::string safetensors(std::string_view header, std::string_view data) {
  std::string bytes;
  for (size_t i = 0; i < 8; ++i) {
    bytes += static_cast<char>(static_cast<uint64_t>(header.size()) >> (8 * i) & 0xff);
  }
  return bytes.append(header).append(data);
}

// The sum of all bytes of A and B, so that a sanitizer sees every one of them read.
unsigned read_all(const rotor::LoraAdapter& adapter, const rotor::ModelConfig& model) {
  unsigned sum = 0;
  for (size_t layer = 0; layer < model.layers; ++layer) {
    for (size_t r = 0; r < rotor::kLinearRoles; ++r) {
      const auto role = static_cast<rotor::LinearRole>(r);
      const rotor::LowRank& low = adapter.of(layer, role);
      const rotor::MatrixShape shape = rotor::linear_shape(model, role);
      require(low.rank <= rotor::kMaxLoraRank && std::isfinite(low.scaling));
      for (size_t i = 0; i < low.rank * rotor::float_row_bytes(low.a_type, shape.cols); ++i) {
        sum += static_cast<unsigned>(low.a[i]);
      }
      for (size_t i = 0; i < shape.rows * rotor::float_row_bytes(low.b_type, low.rank); ++i) {
        sum += static_cast<unsigned>(low.b[i]);
      }
    }
  }
  return sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = rotor::parse_lora_config(take_line(text), "fuzz");
  if (!config.ok()) {
    require_refusal(config.status());
    return 0;
  }
  const std::string_view header = take_line(text);
  const auto tensors = rotor::SafetensorsFile::parse(
      rotor::File::from_memory(safetensors(header, text), "fuzz"));
  if (!tensors.ok()) {
    return 0;
  }
  const rotor::ModelConfig model = tiny_model();
  const auto adapter = rotor::LoraAdapter::read(*config, *tensors, model);
  if (!adapter.ok()) {
    require_refusal(adapter.status());
    return 0;
  }
  volatile unsigned sum = read_all(**adapter, model);
  (void)sum;
  return 0;
}
