// SPDX-License-Identifier: Apache-2.0
// Small models of any shape, made in memory from seeded random numbers. Test code.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/half.h"
#include "model/matrix_hash.h"
#include "model/model_source.h"

namespace rotor {

// A ternary matrix that lies in memory.
class VectorTrits final : public TritReader {
 public:
  VectorTrits(size_t rows, size_t cols, std::vector<int8_t> trits)
      : TritReader(rows, cols), trits_(std::move(trits)) {}

  Status read(size_t begin, size_t end, int8_t* out) const override {
    const size_t first = begin * kTileRows * cols();
    const size_t last = std::min(end * kTileRows, rows()) * cols();
    std::fill_n(out, (end - begin) * kTileRows * cols(), int8_t{0});
    std::copy(trits_.begin() + first, trits_.begin() + last, out);
    return {};
  }

 private:
  std::vector<int8_t> trits_;
};

// Scales of groups that lie in memory, (rows, groups).
class VectorGroupScales final : public GroupScaleReader {
 public:
  VectorGroupScales(size_t groups, std::vector<float> scales)
      : groups_(groups), scales_(std::move(scales)) {}

  Status read(size_t begin, size_t end, float* out) const override {
    const size_t first = begin * kTileRows * groups_;
    const size_t last = std::min(end * kTileRows * groups_, scales_.size());
    std::fill_n(out, (end - begin) * kTileRows * groups_, 0.0f);
    std::copy(scales_.data() + first, scales_.data() + last, out);
    return {};
  }

 private:
  size_t groups_;
  std::vector<float> scales_;
};

// Every scale of a matrix with groups, (rows, groups).
inline std::vector<float> all_group_scales(const LinearSource& linear) {
  const size_t groups = linear.scale.group.groups(linear.trits->cols());
  const size_t blocks = row_blocks(linear.trits->rows());
  std::vector<float> scales(blocks * kTileRows * groups);
  EXPECT_TRUE(linear.group_scales->read(0, blocks, scales.data()).ok());
  scales.resize(linear.trits->rows() * groups);
  return scales;
}

// Every trit of a matrix, row after row.
inline std::vector<int8_t> all_trits(const TritReader& reader) {
  const size_t blocks = row_blocks(reader.rows());
  std::vector<int8_t> trits(blocks * kTileRows * reader.cols());
  EXPECT_TRUE(reader.read(0, blocks, trits.data()).ok());
  trits.resize(reader.rows() * reader.cols());
  return trits;
}

// The checksum of a matrix, hashed in one piece.
inline std::string matrix_sha256(const TritReader& reader) {
  MatrixHash hash(reader.cols());
  hash.update(all_trits(reader));
  return hash.hex();
}

// Puts other trits in the place of a matrix's own.
inline void replace_trits(LinearSource& linear, std::vector<int8_t> trits) {
  linear.trits = std::make_unique<VectorTrits>(linear.trits->rows(), linear.trits->cols(),
                                               std::move(trits));
}

// A matrix that cannot be read.
class BrokenTrits final : public TritReader {
 public:
  BrokenTrits(size_t rows, size_t cols, std::string message)
      : TritReader(rows, cols), message_(std::move(message)) {}

  Status read(size_t, size_t, int8_t*) const override { return io_error(message_); }

 private:
  std::string message_;
};

// Rows of an embedding that lie in memory.
class VectorRows final : public FloatReader {
 public:
  VectorRows(size_t row_bytes, std::vector<std::byte> bytes)
      : row_bytes_(row_bytes), bytes_(std::move(bytes)) {}

  Status read(size_t begin, size_t end, std::byte* out) const override {
    std::memcpy(out, bytes_.data() + begin * row_bytes_, (end - begin) * row_bytes_);
    return {};
  }

 private:
  size_t row_bytes_;
  std::vector<std::byte> bytes_;
};

// Puts the same weights, written out as binary32, in the place of a matrix's trits and scales.
inline void write_out(LinearSource& linear) {
  const size_t rows = linear.trits->rows();
  const size_t cols = linear.trits->cols();
  const std::vector<int8_t> trits = all_trits(*linear.trits);
  const std::vector<float> groups =
      linear.scale.grouped() ? all_group_scales(linear) : std::vector<float>();
  std::vector<std::byte> bytes(rows * cols * sizeof(float));
  for (size_t i = 0; i < trits.size(); ++i) {
    const size_t row = i / cols;
    const TernaryScale& scale = linear.scale;
    const float step =
        scale.grouped() ? groups[row * scale.group.groups(cols) + i % cols / scale.group.cols]
                        : scale.values[scale.values.size() == 1 ? 0 : row];
    const float weight = static_cast<float>(trits[i]) * step;
    std::memcpy(bytes.data() + i * sizeof(float), &weight, sizeof(float));
  }
  linear.floats = FloatSource{linear.tensor, FloatType::kF32, rows, cols, nullptr};
  linear.floats->reader = std::make_unique<VectorRows>(cols * sizeof(float), std::move(bytes));
  linear.trits = nullptr;
  linear.group_scales = nullptr;
  linear.scale = {};
}

// How a test model departs from one bf16 embedding and one scale a matrix.
struct TestModelOptions {
  FloatType embed = FloatType::kBf16;  // block types: hidden must be whole blocks
  TernaryScale::Granularity scale = TernaryScale::Granularity::kTensor;
  uint32_t seed = 1;
  GroupShape group = {64, GroupScaleType::kF16};  // for kGroup
};

// A shape that every matrix kernel has to pad: 2 layers, 97 tokens, no size a multiple of 16.
inline ModelConfig test_config() {
  ModelConfig c;
  c.family = "bitnet";
  c.name = "test";
  c.vocab = 97;
  c.context = 512;
  c.hidden = 40;
  c.ffn = 56;
  c.layers = 2;
  c.heads = 4;
  c.kv_heads = 2;
  c.head_dim = 12;
  c.rope_theta = 10000.0;
  return c;
}

// Maple's layers: 5 experts, of which a token takes 2, windows in every other layer.
inline ModelConfig experts_config() {
  ModelConfig c = test_config();
  c.family = "maple";
  c.hidden = 48;
  c.ffn = 32;
  c.activation = Activation::kSilu;
  c.attn_sub_norm = c.ffn_sub_norm = c.tied_head = false;
  c.qk_norm = true;
  c.attention_window = 70;
  c.global_every = 2;
  c.global_unturned = true;
  c.rotary_dims = 8;
  c.experts = 5;
  c.experts_used = 2;
  c.gate_limit = 0.75f;
  return c;
}

inline std::vector<float> random_norm(size_t size, std::mt19937& random) {
  std::vector<float> norm(size);
  for (float& value : norm) {
    value = 0.5f + static_cast<float>(random() & 255u) * 0x1p-8f;
  }
  return norm;
}

// A row of random codes and scales in a type with blocks, and small factors of them all.
inline std::vector<std::byte> random_blocks(FloatType type, size_t cols, std::mt19937& random) {
  std::vector<std::byte> row(float_row_bytes(type, cols));
  for (std::byte& byte : row) {
    byte = static_cast<std::byte>(random() & 255u);
  }
  const size_t block = type == FloatType::kQ6K ? 210 : type == FloatType::kQ4K ? 144 : 18;
  for (size_t begin = 0; begin < row.size(); begin += block) {
    const auto put_factor = [&](size_t at, float factor) {
      const uint16_t half = float_to_f16(factor);
      std::memcpy(row.data() + begin + at, &half, 2);
    };
    put_factor(type == FloatType::kQ6K ? 208 : 0, type == FloatType::kQ4_0 ? 0x1p-4f : 0x1p-12f);
    if (type == FloatType::kQ4K) {
      put_factor(2, 0x1p-9f);
    }
  }
  return row;
}

inline FloatSource random_rows(const char* name, FloatType type, size_t rows, size_t cols,
                               std::mt19937& random) {
  const size_t row_bytes = float_row_bytes(type, cols);
  std::vector<std::byte> bytes(rows * row_bytes);
  std::byte* out = bytes.data();
  if (!is_plain_float(type) && type != FloatType::kQ8_0) {
    for (size_t row = 0; row < rows; ++row) {
      const std::vector<std::byte> blocks = random_blocks(type, cols, random);
      out = std::copy(blocks.begin(), blocks.end(), out);
    }
    return {name, type, rows, cols, std::make_unique<VectorRows>(row_bytes, std::move(bytes))};
  }
  for (size_t i = 0; i < rows * cols; ++i) {
    const int number = static_cast<int>(random() & 2047u) - 1024;
    const float value = static_cast<float>(number) * 0x1p-10f;
    const uint16_t half = type == FloatType::kBf16 ? float_to_bf16(value) : float_to_f16(value);
    if (type == FloatType::kF32) {
      std::memcpy(out, &value, 4);
      out += 4;
    } else if (type == FloatType::kQ8_0) {
      if (i % 32 == 0) {
        const uint16_t scale = float_to_f16(0x1p-7f + 0x1p-14f * static_cast<float>(i % 7));
        std::memcpy(out, &scale, 2);
        out += 2;
      }
      *out++ = static_cast<std::byte>(number / 8 & 255);
    } else {
      std::memcpy(out, &half, 2);
      out += 2;
    }
  }
  return {name, type, rows, cols, std::make_unique<VectorRows>(row_bytes, std::move(bytes))};
}

inline LinearSource random_linear(const std::string& name, MatrixShape shape,
                                  const TestModelOptions& options, std::mt19937& random) {
  using Granularity = TernaryScale::Granularity;
  std::vector<int8_t> trits(shape.rows * shape.cols);
  for (int8_t& trit : trits) {
    trit = static_cast<int8_t>(static_cast<int>(random() % 3) - 1);
  }
  LinearSource linear;
  linear.tensor = name;
  linear.layout = "in memory";
  linear.trits = std::make_unique<VectorTrits>(shape.rows, shape.cols, std::move(trits));
  linear.scale.granularity = options.scale;
  if (options.scale == Granularity::kGroup) {
    linear.scale.group = options.group;
    const size_t groups = options.group.groups(shape.cols);
    std::vector<float> scales(shape.rows * groups);
    for (float& value : scales) {  // with 10 significant bits: f16 holds them
      value = 0x1p-5f + static_cast<float>(random() & 255u) * 0x1p-14f;
    }
    linear.group_scales = std::make_unique<VectorGroupScales>(groups, std::move(scales));
    return linear;
  }
  linear.scale.values.resize(options.scale == Granularity::kRow ? shape.rows : 1);
  for (float& value : linear.scale.values) {
    value = 0.03f + static_cast<float>(random() & 255u) * 0x1p-14f;
  }
  return linear;
}

// The same source for the same config, options and seed on every machine.
inline ModelSource test_source(const ModelConfig& config, const TestModelOptions& options = {}) {
  std::mt19937 random(options.seed);
  ModelSource source;
  source.path = "test model";
  source.container = "in memory";
  source.config = config;
  source.embed = random_rows("embed", options.embed, config.vocab, config.hidden, random);
  if (!config.tied_head) {
    source.head = random_rows("head", options.embed, config.vocab, config.hidden, random);
  }
  source.output_norm = random_norm(config.hidden, random);
  for (size_t i = 0; i < config.layers; ++i) {
    LayerSource& layer = source.layers.emplace_back();
    layer.attn_norm = random_norm(config.hidden, random);
    layer.ffn_norm = random_norm(config.hidden, random);
    if (config.attn_sub_norm) {
      layer.attn_sub_norm = random_norm(config.q_rows(), random);
    }
    if (config.ffn_sub_norm) {
      layer.ffn_sub_norm = random_norm(config.ffn, random);
    }
    if (config.post_norms) {
      layer.post_attn_norm = random_norm(config.hidden, random);
      layer.post_ffn_norm = random_norm(config.hidden, random);
    }
    if (config.qk_norm) {
      layer.q_norm = random_norm(config.head_dim, random);
      layer.k_norm = random_norm(config.head_dim, random);
    }
    for (size_t r = 0; r < kLinearRoles; ++r) {
      const LinearRole role = static_cast<LinearRole>(r);
      layer.linear[r] =
          random_linear("layers." + std::to_string(i) + "." + std::string(linear_role_name(role)),
                        linear_shape(config, role), options, random);
      if (config.input_norms) {
        layer.linear[r].input_norm = random_norm(linear_shape(config, role).cols, random);
      }
    }
    if (config.experts != 0) {
      layer.router = random_rows("router", FloatType::kF32, config.experts, config.hidden, random);
    }
  }
  return source;
}

}  // namespace rotor
