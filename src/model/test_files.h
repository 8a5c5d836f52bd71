// SPDX-License-Identifier: Apache-2.0
// One small model written as a Hugging Face folder and as a GGUF file, each open to be spoiled by a
// test before it is written. Test code.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/half.h"
#include "base/test_folder.h"
#include "io/gguf_types.h"
#include "io/test_bytes.h"
#include "io/test_tensors.h"
#include "model/config.h"
#include "model/model_source.h"
#include "model/trit_hash.h"

namespace rotor::test {

// Rows of whole Q6_K blocks, matrices of whole I2_S blocks.
inline ModelConfig file_config() {
  ModelConfig c;
  c.family = "bitnet";
  c.vocab = 6;
  c.context = 128;
  c.hidden = 256;
  c.ffn = 32;
  c.layers = 2;
  c.heads = 4;
  c.kv_heads = 2;
  c.head_dim = 64;
  c.rope_theta = 10000.0;
  return c;
}

inline std::vector<int8_t> file_trits(size_t layer, LinearRole role) {
  const MatrixShape shape = linear_shape(file_config(), role);
  return random_trits(shape.rows * shape.cols, static_cast<uint32_t>(layer * 16 + size_t(role)));
}

// 1/2, 1/4 or 1/8: every float type holds it and its inverse.
inline float file_scale(LinearRole role) {
  return 0.5f / static_cast<float>(1 << static_cast<size_t>(role) % 3);
}

// `values` as raw bytes of a float type.
inline std::string float_bytes(FloatType type, const std::vector<float>& values) {
  std::string bytes;
  for (const float value : values) {
    switch (type) {
      case FloatType::kF32:
        put(bytes, value);
        break;
      case FloatType::kF16:
        put(bytes, float_to_f16(value));
        break;
      default:
        put(bytes, float_to_bf16(value));
        break;
    }
  }
  return bytes;
}

inline std::vector<float> scaled(const std::vector<int8_t>& trits, float scale) {
  std::vector<float> values;
  values.reserve(trits.size());
  for (const int8_t trit : trits) {
    values.push_back(static_cast<float>(trit) * scale);
  }
  return values;
}

// Names of tensors in execution order, as each writer has them.
inline const std::vector<std::string> kHfLinears = {
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};
inline const std::vector<std::string> kGgufLinears = {
    "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"};

// Calls use(layer, role) for all matrices of the model.
template <typename Use>
void for_each_linear(Use use) {
  for (size_t layer = 0; layer < file_config().layers; ++layer) {
    for (size_t role = 0; role < kLinearRoles; ++role) {
      use(layer, static_cast<LinearRole>(role));
    }
  }
}

// SHA-256 of the trits of a source, or the message of why they cannot be read.
inline std::string trit_hash(const ModelSource& source) {
  ThreadPool pool(1);
  const auto statistics = trit_statistics(source, pool, nullptr);
  return statistics.ok() ? statistics->sha256 : statistics.status().message();
}

struct HfFiles {
  struct Tensor {
    std::string dtype;
    std::vector<uint64_t> shape;
    std::string content;
  };
  std::map<std::string, std::string> config;  // key -> JSON
  std::map<std::string, Tensor> tensors;

  static std::string linear(size_t layer, LinearRole role) {
    return "model.layers." + std::to_string(layer) + "." + kHfLinears[static_cast<size_t>(role)];
  }
  std::string config_json() const {
    std::string json;
    for (const auto& [key, value] : config) {
      json += (json.empty() ? "{\"" : ",\"") + key + "\":" + value;
    }
    return json + "}";
  }
  // One safetensors file of the tensors that `chosen(name)` picks.
  template <typename Chosen>
  std::string weights(Chosen chosen) const {
    std::string header;
    std::string data;
    for (const auto& [name, tensor] : tensors) {
      if (chosen(name)) {
        const size_t begin = data.size();
        data += tensor.content;
        header += (header.empty() ? "{\"" : ",\"") + name + R"(":{"dtype":")" + tensor.dtype +
                  R"(","shape":)" + shape_text(tensor.shape) + R"(,"data_offsets":[)" +
                  std::to_string(begin) + "," + std::to_string(data.size()) + "]}";
      }
    }
    return safetensors_bytes(header + "}", data);
  }
  void write(const TestFolder& folder) const {
    folder.put("config.json", config_json());
    folder.put("model.safetensors", weights([](const std::string&) { return true; }));
  }
  void put_floats(const std::string& name, std::vector<uint64_t> shape,
                  const std::vector<float>& values, FloatType type = FloatType::kF32) {
    const char* dtype = type == FloatType::kF32 ? "F32" : type == FloatType::kF16 ? "F16" : "BF16";
    tensors[name] = {dtype, std::move(shape), float_bytes(type, values)};
  }
};

// Norms, a tied embedding and packed matrices whose weight_scale multiplies.
inline HfFiles hf_files() {
  const ModelConfig c = file_config();
  HfFiles files;
  files.config = {
      {"model_type", R"("bitnet")"},
      {"vocab_size", "6"},
      {"hidden_size", "256"},
      {"intermediate_size", "32"},
      {"num_hidden_layers", "2"},
      {"num_attention_heads", "4"},
      {"num_key_value_heads", "2"},
      {"rope_theta", "10000.0"},
      {"max_position_embeddings", "128"},
      {"rms_norm_eps", "1e-05"},
      {"hidden_act", R"("relu2")"},
      {"tie_word_embeddings", "true"},
      {"quantization_config", R"({"quant_method":"bitnet","linear_class":"autobitlinear",)"
                              R"("quantization_mode":"offline"})"}};
  files.put_floats("model.embed_tokens.weight", {c.vocab, c.hidden},
                   std::vector<float>(c.vocab * c.hidden, 0.25f), FloatType::kBf16);
  const auto norm = [&](const std::string& name, size_t size) {
    files.put_floats(name + ".weight", {size}, std::vector<float>(size, 1.0f));
  };
  norm("model.norm", c.hidden);
  for (size_t i = 0; i < c.layers; ++i) {
    const std::string prefix = "model.layers." + std::to_string(i) + ".";
    norm(prefix + "input_layernorm", c.hidden);
    norm(prefix + "self_attn.attn_sub_norm", c.q_rows());
    norm(prefix + "post_attention_layernorm", c.hidden);
    norm(prefix + "mlp.ffn_sub_norm", c.ffn);
  }
  for_each_linear([&](size_t layer, LinearRole role) {
    const MatrixShape shape = linear_shape(c, role);
    const std::string name = HfFiles::linear(layer, role);
    files.tensors[name + ".weight"] = {
        "U8", {shape.rows / 4, shape.cols}, hf_packed_bytes(file_trits(layer, role), shape.cols)};
    files.put_floats(name + ".weight_scale", {1}, {file_scale(role)});
  });
  return files;
}

// The same trits as float masters, to be ternarised when they are read.
inline HfFiles hf_masters(FloatType type) {
  HfFiles files = hf_files();
  files.config["quantization_config"] = R"({"quant_method":"bitnet","quantization_mode":"online"})";
  for_each_linear([&](size_t layer, LinearRole role) {
    const MatrixShape shape = linear_shape(file_config(), role);
    const std::string name = HfFiles::linear(layer, role);
    files.tensors.erase(name + ".weight_scale");
    files.put_floats(name + ".weight", {shape.rows, shape.cols},
                     scaled(file_trits(layer, role), file_scale(role)), type);
  });
  return files;
}

struct GgufFiles {
  struct Tensor {
    std::vector<uint64_t> dims;
    uint32_t type;
    std::string content;
  };
  using Value =
      std::variant<uint32_t, int32_t, uint64_t, float, std::string, std::vector<std::string>>;
  std::map<std::string, Value> keys;
  std::map<std::string, Tensor> tensors;

  static std::string linear(size_t layer, LinearRole role) {
    return "blk." + std::to_string(layer) + "." + kGgufLinears[static_cast<size_t>(role)];
  }
  std::string bytes() const {
    GgufBytes file;
    for (const auto& [name, held] : keys) {
      const std::string& key = name;  // clang 14 does not let a lambda capture a binding
      const auto add = [&](const auto& value) {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, std::string>) {
          file.add(key, value);
        } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          file.add_strings(key, value);
        } else {
          const uint32_t type = std::is_same_v<T, uint32_t>   ? 4
                                : std::is_same_v<T, int32_t>  ? 5
                                : std::is_same_v<T, uint64_t> ? 10
                                                              : 6;
          file.add(key, type, value);
        }
      };
      std::visit(add, held);
    }
    for (const auto& [name, tensor] : tensors) {
      file.add_tensor(name, tensor.dims, tensor.type, tensor.content);
    }
    return file.bytes();
  }
  void put_floats(const std::string& name, std::vector<uint64_t> dims,
                  const std::vector<float>& values, FloatType type = FloatType::kF32) {
    const uint32_t id = type == FloatType::kF32   ? kGgufF32
                        : type == FloatType::kF16 ? kGgufF16
                                                  : kGgufBF16;
    tensors[name] = {std::move(dims), id, float_bytes(type, values)};
  }
};

// The same model with I2_S matrices, without a tokenizer.
inline GgufFiles gguf_files(const std::string& arch = "bitnet-b1.58",
                            I2sLayout layout = I2sLayout::k128) {
  const ModelConfig c = file_config();
  GgufFiles files;
  files.keys = {{"general.architecture", arch},
                {arch + ".context_length", uint32_t{128}},
                {arch + ".embedding_length", uint32_t{256}},
                {arch + ".feed_forward_length", uint32_t{32}},
                {arch + ".block_count", uint32_t{2}},
                {arch + ".attention.head_count", uint32_t{4}},
                {arch + ".attention.head_count_kv", uint32_t{2}},
                {arch + ".rope.dimension_count", uint32_t{64}},
                {arch + ".attention.layer_norm_rms_epsilon", 1e-5f},
                {arch + ".rope.freq_base", 10000.0f}};
  files.put_floats("token_embd.weight", {c.hidden, c.vocab},
                   std::vector<float>(c.vocab * c.hidden, 0.25f), FloatType::kBf16);
  const auto norm = [&](const std::string& name, size_t size) {
    files.put_floats(name + ".weight", {size}, std::vector<float>(size, 1.0f));
  };
  norm("output_norm", c.hidden);
  for (size_t i = 0; i < c.layers; ++i) {
    const std::string prefix = "blk." + std::to_string(i) + ".";
    norm(prefix + "attn_norm", c.hidden);
    norm(prefix + "attn_sub_norm", c.q_rows());
    norm(prefix + "ffn_norm", c.hidden);
    norm(prefix + "ffn_sub_norm", c.ffn);
  }
  for_each_linear([&](size_t layer, LinearRole role) {
    const MatrixShape shape = linear_shape(c, role);
    files.tensors[GgufFiles::linear(layer, role) + ".weight"] = {
        {shape.cols, shape.rows},
        kGgufI2S,
        i2s_bytes(file_trits(layer, role), shape.cols, layout, file_scale(role))};
  });
  return files;
}

}  // namespace rotor::test
