// SPDX-License-Identifier: Apache-2.0
#include "model/gguf_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>

#include "base/half.h"
#include "io/trit_packing.h"
#include "model/paired_rows.h"

namespace rotor {
namespace {

struct Row {
  std::string_view name;
  std::optional<TernaryBlock> block;  // none: I2_S
  uint32_t file_type;                 // of llama.cpp; 40 of bitnet.cpp
};
constexpr Row kRows[] = {{"i2_s", std::nullopt, 40},
                         {"tq1_0", TernaryBlock::kTQ1_0, 36},
                         {"tq2_0", TernaryBlock::kTQ2_0, 37},
                         {"q2_0", TernaryBlock::kQ2_0_64, 41},
                         {"q2_0-g128", TernaryBlock::kQ2_0_128, 41}};

const Row& row_of(GgufWeights type) { return kRows[static_cast<size_t>(type)]; }

// Columns that a row must have a multiple of. I2_S runs over the flattened matrix, but the programs that
// compute with it take rows of whole blocks.
size_t block_cols(GgufWeights type) {
  const auto& block = row_of(type).block;
  return block ? ternary_block_info(*block).elements : kI2sBlock;
}

// Why `type` cannot hold a matrix; empty when it can.
std::string obstacle(const LinearSource& linear, GgufWeights type) {
  const size_t cols = linear.trits->cols();
  const size_t block = block_cols(type);
  if (cols % block != 0) {
    return fmt::format("rows of {} columns are no whole blocks of {}", cols, block);
  }
  using Granularity = TernaryScale::Granularity;
  if (type == GgufWeights::kI2S && linear.scale.granularity != Granularity::kTensor) {
    return fmt::format("it has {}, I2_S one a matrix", scale_rule_text(linear.scale));
  }
  if (linear.scale.grouped() && scale_group_cols(linear) % block != 0) {
    return fmt::format("it has {}, the type one for each {}", scale_rule_text(linear.scale), block);
  }
  return "";
}

// The first matrix that `type` cannot hold, and why; empty when there is none.
std::string first_obstacle(const ModelSource& source, GgufWeights type) {
  for (const LayerSource& layer : source.layers) {
    for (const LinearSource& linear : layer.linear) {
      const std::string reason = obstacle(linear, type);
      if (!reason.empty()) {
        return fmt::format("tensor '{}': {}", linear.tensor, reason);
      }
    }
  }
  return "";
}

bool is_binary16(float value) { return f16_to_float(float_to_f16(value)) == value; }

// `scales` as binary16. Returns the largest relative change.
Result<double> to_binary16(const std::string& tensor, std::span<const float> scales,
                           bool allow_rounding, uint16_t* out) {
  double worst = 0.0;
  for (const float scale : scales) {
    const uint16_t half = float_to_f16(scale);
    const float back = f16_to_float(half);
    *out++ = half;
    if (back == scale) {
      continue;
    }
    const double change = std::abs(static_cast<double>(back) - scale) / scale;
    if (!std::isfinite(back) || back == 0.0f) {
      return unsupported(fmt::format("tensor '{}': the scale {} is beyond binary16, in which this type "
                                     "has its scales", tensor, scale));
    }
    if (!allow_rounding) {
      return unsupported(fmt::format("tensor '{}': this type has its scales in binary16; {} would be "
                                     "rounded to {}, by {:.2g} of it; --allow-rounding accepts that",
                                     tensor, scale, back, change));
    }
    worst = std::max(worst, change);
  }
  return worst;
}

// Puts the packed rows of a row block where the file has them.
void place_rows(const std::vector<uint8_t>& rows, size_t block, size_t count, size_t row_bytes,
                size_t paired_head_dim, std::vector<uint8_t>& out) {
  for (size_t r = 0; r < count; ++r) {
    const size_t row = block * kTileRows + r;
    const size_t place = paired_head_dim == 0 ? row : paired_row(row, paired_head_dim);
    std::copy_n(rows.data() + r * row_bytes, row_bytes, out.data() + place * row_bytes);
  }
}

Result<PackedMatrix> pack_i2s_matrix(const LinearSource& linear, size_t paired_head_dim) {
  const size_t cols = linear.trits->cols();
  PackedMatrix packed;
  packed.bytes.resize(gguf_weights_bytes(linear, GgufWeights::kI2S));
  std::vector<uint8_t> held(kTileRows * cols / 4);
  const auto pack = [&](size_t block, size_t rows, const int8_t* trits) -> Status {
    pack_i2s(trits, rows * cols, held.data());
    place_rows(held, block, rows, cols / 4, paired_head_dim, packed.bytes);
    return {};
  };
  ROTOR_ASSIGN(packed.sha256, for_each_row_block(*linear.trits, pack));
  std::memcpy(packed.bytes.data() + packed.bytes.size() - kI2sTail, linear.scale.values.data(),
              sizeof(float));
  return packed;
}

Result<PackedMatrix> pack_blocks(const LinearSource& linear, TernaryBlock type, bool beside,
                                 bool allow_rounding, size_t paired_head_dim) {
  const TernaryBlockInfo& info = ternary_block_info(type);
  const size_t row_blocks = linear.trits->cols() / info.elements;
  PackedMatrix packed;
  packed.bytes.resize(linear.trits->rows() * row_blocks * info.bytes);
  std::vector<float> scales(kTileRows * row_blocks, 1.0f);
  std::vector<uint16_t> halves(scales.size());
  std::vector<uint8_t> held(scales.size() * info.bytes);
  const auto pack = [&](size_t block, size_t rows, const int8_t* trits) -> Status {
    if (!beside) {
      ROTOR_TRY(read_scales(linear, info.elements, block, block + 1, scales.data()));
    }
    ROTOR_ASSIGN(const double change,
                 to_binary16(linear.tensor, std::span(scales).first(rows * row_blocks),
                             allow_rounding, halves.data()));
    packed.rounding = std::max(packed.rounding, change);
    pack_ternary_blocks(type, trits, halves.data(), rows * row_blocks, held.data());
    place_rows(held, block, rows, row_blocks * info.bytes, paired_head_dim, packed.bytes);
    return {};
  };
  ROTOR_ASSIGN(packed.sha256, for_each_row_block(*linear.trits, pack));
  return packed;
}

}  // namespace

std::string_view gguf_weights_name(GgufWeights type) { return row_of(type).name; }

std::optional<GgufWeights> parse_gguf_weights(std::string_view name) {
  for (const GgufWeights type : kAllGgufWeights) {
    if (gguf_weights_name(type) == name) {
      return type;
    }
  }
  return std::nullopt;
}

uint32_t gguf_weights_id(GgufWeights type) {
  const auto& block = row_of(type).block;
  return block ? ternary_block_info(*block).type : uint32_t{kGgufI2S};
}

uint32_t gguf_weights_file_type(GgufWeights type) { return row_of(type).file_type; }

Status check_gguf_weights(const ModelSource& source, GgufWeights type) {
  const std::string reason = first_obstacle(source, type);
  if (reason.empty()) {
    return {};
  }
  std::string others;
  for (const GgufWeights other : kAllGgufWeights) {
    if (first_obstacle(source, other).empty()) {
      others += others.empty() ? "" : ", ";
      others += gguf_weights_name(other);
    }
  }
  return unsupported(fmt::format("{} cannot hold {}; {}", gguf_weights_name(type), reason,
                                 others.empty() ? "no type of GGUF can, a .rotor file can"
                                                : "these types can: " + others));
}

GgufWeights default_gguf_weights(const ModelSource& source) {
  return first_obstacle(source, GgufWeights::kI2S).empty() ? GgufWeights::kI2S : GgufWeights::kQ2_0;
}

std::optional<float> scale_beside(const LinearSource& linear, GgufWeights type) {
  const bool single = linear.scale.granularity == TernaryScale::Granularity::kTensor;
  return type != GgufWeights::kI2S && single && !is_binary16(linear.scale.values[0])
             ? std::optional<float>(linear.scale.values[0])
             : std::nullopt;
}

uint64_t gguf_weights_bytes(const LinearSource& linear, GgufWeights type) {
  const uint64_t count = uint64_t{linear.trits->rows()} * linear.trits->cols();
  const auto& block = row_of(type).block;
  return block ? count / ternary_block_info(*block).elements * ternary_block_info(*block).bytes
               : count / 4 + kI2sTail;
}

Result<PackedMatrix> pack_gguf_weights(const LinearSource& linear, GgufWeights type,
                                       bool allow_rounding, size_t paired_head_dim) {
  const auto& block = row_of(type).block;
  return block ? pack_blocks(linear, *block, scale_beside(linear, type).has_value(), allow_rounding,
                             paired_head_dim)
               : pack_i2s_matrix(linear, paired_head_dim);
}

}  // namespace rotor
