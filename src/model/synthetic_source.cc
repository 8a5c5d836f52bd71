// SPDX-License-Identifier: Apache-2.0
// Every 64-bit word of a tensor is a hash of (seed, tensor, word index), so any row block can be made
// alone, in any order, by any thread.
#include "model/synthetic_source.h"

#include <bit>
#include <cstring>
#include <utility>

#include "base/half.h"

namespace rotor {
namespace {

struct Shape {
  const char* name;
  ModelConfig config;
  size_t group_cols = 0;  // a scale for each group of so many columns; 0: one a matrix
};

// Sizes in the order of a config.json. The blocks are those of 2B-4T: a tied head, norms before the
// output and down projections, squared ReLU.
ModelConfig bitnet(size_t hidden, size_t ffn, size_t layers, size_t heads, size_t kv_heads,
                   size_t context, size_t vocab) {
  ModelConfig config;
  config.family = "bitnet";
  config.hidden = hidden;
  config.ffn = ffn;
  config.layers = layers;
  config.heads = heads;
  config.kv_heads = kv_heads;
  config.head_dim = hidden / heads;
  config.context = context;
  config.vocab = vocab;
  return config;
}

// The blocks of Llama: a head of its own, no further norms, SiLU.
ModelConfig llama(ModelConfig config) {
  config.family = "llama";
  config.activation = Activation::kSilu;
  config.attn_sub_norm = false;
  config.ffn_sub_norm = false;
  config.tied_head = false;
  return config;
}

// Maple-20B-A1B: 256 experts, 8 for a token, a window in three of four layers.
ModelConfig maple() {
  ModelConfig config = llama(bitnet(2048, 512, 24, 16, 4, 131072, 151936));
  config.family = "maple";
  config.rms_eps = 1e-6f;
  config.rope_theta = 10000.0;
  config.qk_norm = true;
  config.attention_window = 512;
  config.global_every = 4;
  config.global_unturned = true;
  config.rotary_dims = 64;
  config.experts = 256;
  config.experts_used = 8;
  config.gate_limit = 7.0f;
  return config;
}

std::vector<Shape> shapes() {
  const ModelConfig big = bitnet(2560, 6912, 30, 20, 5, 4096, 128256);
  const ModelConfig tiny = bitnet(256, 704, 4, 4, 2, 1024, 1024);
  return {{"bitnet-2b-4t", big},
          {"bitnet-2b-4t-g128", big, 128},
          {"llama3-8b", llama(bitnet(4096, 14336, 32, 32, 8, 8192, 128256))},
          {"falcon3-10b", llama(bitnet(3072, 23040, 40, 12, 4, 32768, 131072))},
          {"maple-20b-a1b", maple()},
          {"bitnet-70b", bitnet(8192, 28672, 80, 64, 8, 4096, 128256)},
          {"bitnet-100b", bitnet(8192, 45568, 72, 64, 64, 2048, 32002)},
          {"tiny", tiny},
          {"tiny-g128", tiny, 128}};
}

// SplitMix64 (Steele, Lea, Flood 2014) as a hash of a counter.
uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// 32 codes of two bits in {0, 1, 2}: random pairs with 11 turned into 01, so half are zero trits.
uint64_t random_codes(uint64_t word) {
  const uint64_t both = word & (word << 1) & 0xaaaaaaaaaaaaaaaau;
  return word & ~both;
}

class SyntheticTrits final : public TritReader {
 public:
  SyntheticTrits(size_t rows, size_t cols, uint64_t key) : TritReader(rows, cols), key_(key) {}

  Status read(size_t begin, size_t end, int8_t* trits) const override {
    const size_t bytes = row_block_bytes(TernaryFormat::kI2, cols());
    std::vector<uint8_t> packed(bytes);
    for (size_t block = begin; block < end; ++block) {
      fill(block, packed.data(), bytes);
      int8_t* out = trits + (block - begin) * kTileRows * cols();
      format_info(TernaryFormat::kI2).unpack_row_block(packed.data(), cols(), out, cols());
      for (size_t r = block * kTileRows; r < (block + 1) * kTileRows; ++r) {
        if (r >= rows()) {
          std::memset(out + (r - block * kTileRows) * cols(), 0, cols());
        }
      }
    }
    return {};
  }

  Status pack(size_t begin, size_t end, TernaryFormat format, uint8_t* out) const override {
    const bool whole = cols() % 16 == 0 && rows() % kTileRows == 0;  // no padding to zero
    if (format != TernaryFormat::kI2 || !whole) {
      return TritReader::pack(begin, end, format, out);
    }
    const size_t bytes = row_block_bytes(format, cols());
    for (size_t block = begin; block < end; ++block) {
      fill(block, out + (block - begin) * bytes, bytes);
    }
    return {};
  }

 private:
  void fill(size_t block, uint8_t* out, size_t bytes) const {
    const uint64_t first = block * (bytes / 8);
    for (size_t i = 0; i < bytes / 8; ++i) {
      const uint64_t codes = random_codes(mix(key_ + first + i));
      std::memcpy(out + 8 * i, &codes, 8);
    }
  }

  uint64_t key_;
};

class SyntheticRows final : public FloatReader {
 public:
  SyntheticRows(size_t cols, uint64_t key) : cols_(cols), key_(key) {}

  Status read(size_t begin, size_t end, std::byte* out) const override {
    auto* values = reinterpret_cast<uint16_t*>(out);
    for (size_t i = begin * cols_; i < end * cols_; ++i) {
      // The number of ones in 64 random bits is near Gaussian with deviation 4; a uniform offset
      // fills the gaps between its steps.
      const uint64_t bits = mix(key_ + i);
      const float step = static_cast<float>(std::popcount(bits) - 32);
      const float offset = static_cast<float>(mix(bits) & 255u) * 0x1p-8f - 0.5f;
      *values++ = float_to_bf16((step + offset) * 0.25f);
    }
    return {};
  }

 private:
  size_t cols_;
  uint64_t key_;
};

class SyntheticGroupScales final : public GroupScaleReader {
 public:
  SyntheticGroupScales(size_t rows, size_t groups, uint64_t key)
      : rows_(rows), groups_(groups), key_(key) {}

  Status read(size_t begin, size_t end, float* scales) const override {
    for (size_t i = begin * kTileRows * groups_; i < end * kTileRows * groups_; ++i) {
      // 0.75 to 1.25 times 2^-5, in ten bits.
      const float factor = 0.75f + static_cast<float>(mix(key_ + i) & 255u) * 0x1p-9f;
      *scales++ = i < rows_ * groups_ ? factor * 0x1p-5f : 0.0f;
    }
    return {};
  }

 private:
  size_t rows_;
  size_t groups_;
  uint64_t key_;
};

}  // namespace

std::vector<std::string> synthetic_names() {
  std::vector<std::string> names;
  for (const Shape& shape : shapes()) {
    names.emplace_back(shape.name);
  }
  return names;
}

Result<ModelSource> synthetic_source(const std::string& name, uint64_t seed) {
  ModelSource source;
  std::string known;
  size_t group_cols = 0;
  for (const Shape& shape : shapes()) {
    known += (known.empty() ? "" : ", ") + std::string(shape.name);
    if (name == shape.name) {
      source.config = shape.config;
      group_cols = shape.group_cols;
    }
  }
  if (source.config.layers == 0) {
    return not_found("no synthetic model '" + name + "'; known: " + known);
  }
  const ModelConfig& config = source.config;
  source.path = "synthetic:" + name;
  source.container = "synthetic";
  source.config.name = name;
  uint64_t tensor = 0;
  const auto next_key = [&] { return mix(seed) ^ mix(0x5eedu + ++tensor); };
  source.embed = {"embed", FloatType::kBf16, config.vocab, config.hidden,
                  std::make_unique<SyntheticRows>(config.hidden, next_key())};
  if (!config.tied_head) {
    source.head = FloatSource{"head", FloatType::kBf16, config.vocab, config.hidden,
                              std::make_unique<SyntheticRows>(config.hidden, next_key())};
  }
  source.output_norm.assign(config.hidden, 1.0f);
  for (size_t i = 0; i < config.layers; ++i) {
    LayerSource layer;
    for (const LayerNorm& norm : layer_norms(config)) {
      layer.norm(norm.role).assign(norm.size, 1.0f);
    }
    for (size_t role = 0; role < kLinearRoles; ++role) {
      const MatrixShape shape = linear_shape(config, static_cast<LinearRole>(role));
      LinearSource& linear = layer.linear[role];
      linear.tensor = "layer " + std::to_string(i) + " " +
                      std::string(linear_role_name(static_cast<LinearRole>(role)));
      linear.layout = "random";
      linear.trits = std::make_unique<SyntheticTrits>(shape.rows, shape.cols, next_key());
      if (group_cols == 0) {
        linear.scale.values = {0x1p-5f};
        continue;
      }
      linear.scale.granularity = TernaryScale::Granularity::kGroup;
      linear.scale.group = {group_cols, GroupScaleType::kF16};
      linear.group_scales = std::make_unique<SyntheticGroupScales>(
          shape.rows, linear.scale.group.groups(shape.cols), next_key());
    }
    if (config.experts != 0) {
      layer.router = FloatSource{"layer " + std::to_string(i) + " router", FloatType::kBf16, config.experts,
                                 config.hidden, std::make_unique<SyntheticRows>(config.hidden, next_key())};
    }
    source.layers.push_back(std::move(layer));
  }
  return source;
}

}  // namespace rotor
