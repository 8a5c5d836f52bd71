// SPDX-License-Identifier: Apache-2.0
#include "kernels/self_test.h"

#include <cstring>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "kernels/kernels.h"

namespace rotor {
namespace {

constexpr size_t kRows = 64;
constexpr size_t kCols = 2 * kColumnPadding + 7;
constexpr size_t kPadded = 3 * kColumnPadding;
constexpr size_t kBatch = 7;  // enough vectors for kernels that want many

// A fixed sequence of pseudo-random bits (xorshift32, Marsaglia 2003).
class Bits {
 public:
  uint32_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 17;
    state_ ^= state_ << 5;
    return state_;
  }
  float next_float() { return static_cast<float>(static_cast<int32_t>(next())) * 0x1p-30f; }

 private:
  uint32_t state_ = 2463534242u;
};

Status differs(std::string_view kernel, IsaLevel level) {
  return Status(Code::kVerificationFailed, std::string(kernel) + " differs from the definition at " +
                                               std::string(isa_name(level)));
}

// Every packed format against plain integer sums.
Status test_matmul(const KernelTable& table) {
  Bits bits;
  std::vector<int8_t> trits(kRows * kCols);
  for (int8_t& t : trits) {
    t = static_cast<int8_t>(bits.next() % 3) - 1;
  }
  std::vector<int8_t> x(kBatch * kPadded);
  std::vector<int32_t> sums(kBatch);
  for (size_t b = 0; b < kBatch; ++b) {
    for (size_t c = 0; c < kCols; ++c) {
      x[b * kPadded + c] = static_cast<int8_t>(bits.next());
      sums[b] += x[b * kPadded + c];
    }
  }
  for (size_t f = 0; f < kTernaryFormats; ++f) {
    const TernaryFormat format = static_cast<TernaryFormat>(f);
    Result<Buffer> packed = Buffer::allocate(packed_bytes(format, kRows, kCols));
    ROTOR_TRY(packed.status());
    auto* bytes = reinterpret_cast<uint8_t*>(packed->data());
    const size_t stride = row_block_bytes(format, kCols);
    for (size_t block = 0; block < row_blocks(kRows); ++block) {
      format_info(format).pack_row_block(trits.data() + block * kTileRows * kCols, kCols, kCols,
                                         bytes + block * stride);
    }
    std::vector<int32_t> out(kBatch * kRows);
    table.ternary_matmul[f]({bytes, row_blocks(kRows), stride, 0,
                             tiles_per_row_block(format, kCols), x.data(), kPadded, sums.data(),
                             kBatch, out.data(), kRows});
    for (size_t b = 0; b < kBatch; ++b) {
      for (size_t r = 0; r < kRows; ++r) {
        int64_t expected = 0;
        for (size_t c = 0; c < kCols; ++c) {
          expected += trits[r * kCols + c] * x[b * kPadded + c];
        }
        if (out[b * kRows + r] != expected) {
          return differs("ternary_matmul " + std::string(format_info(format).name), table.level);
        }
      }
    }
  }
  return {};
}

// Scales of groups against the scalar kernel, bit for bit.
Status test_group_matmul(const KernelTable& table, const KernelTable& scalar) {
  constexpr size_t kGroup = 64;
  Bits bits;
  const TernaryFormat format = TernaryFormat::kI2;
  std::vector<int8_t> trits(kRows * kCols);
  for (int8_t& t : trits) {
    t = static_cast<int8_t>(bits.next() % 3) - 1;
  }
  constexpr size_t kRunning = (kCols + kGroup - 1) / kGroup + 1;
  std::vector<int8_t> x(kBatch * kPadded);
  std::vector<int32_t> running(kBatch * kRunning);
  for (size_t b = 0; b < kBatch; ++b) {
    for (size_t c = 0; c < kCols; ++c) {
      x[b * kPadded + c] = static_cast<int8_t>(bits.next());
      running[b * kRunning + c / kGroup + 1] += x[b * kPadded + c];
    }
    for (size_t i = 1; i < kRunning; ++i) {
      running[b * kRunning + i] += running[b * kRunning + i - 1];
    }
  }
  Result<Buffer> packed = Buffer::allocate(packed_bytes(format, kRows, kCols));
  ROTOR_TRY(packed.status());
  auto* bytes = reinterpret_cast<uint8_t*>(packed->data());
  const size_t stride = row_block_bytes(format, kCols);
  for (size_t block = 0; block < row_blocks(kRows); ++block) {
    format_info(format).pack_row_block(trits.data() + block * kTileRows * kCols, kCols, kCols,
                                       bytes + block * stride);
  }
  for (size_t type = 0; type < kGroupScaleTypes; ++type) {
    const GroupShape shape{kGroup, static_cast<GroupScaleType>(type)};
    Result<Buffer> scales = Buffer::allocate(group_scale_bytes(shape, kRows, kCols));
    ROTOR_TRY(scales.status());
    for (uint32_t& word : scales->as<uint32_t>()) {  // of either type, around 1
      word = 0x3c003c00u + (bits.next() & 0x00ff00ffu);
    }
    std::vector<float> out[2];
    const KernelTable* tables[2] = {&table, &scalar};
    for (size_t i = 0; i < 2; ++i) {
      out[i].resize(kBatch * kRows);
      tables[i]->group_matmul[type]({bytes, row_blocks(kRows), stride,
                                     tiles_per_row_block(format, kCols),
                                     kGroup / format_info(format).tile_cols, scales->data(),
                                     x.data(), kPadded, running.data(), kRunning, kBatch,
                                     out[i].data(), kRows});
    }
    if (std::memcmp(out[0].data(), out[1].data(), out[0].size() * sizeof(float)) != 0) {
      return differs("group_matmul " + std::string(group_scale_type_name(shape.type)), table.level);
    }
  }
  return {};
}

// Trits with scales of groups times floats, against the scalar kernel, bit for bit.
Status test_ternary_dots(const KernelTable& table, const KernelTable& scalar) {
  Bits bits;
  const GroupShape shape{64, GroupScaleType::kF32};
  const size_t stride = row_block_bytes(TernaryFormat::kI2, kCols);
  std::vector<uint8_t> codes(row_blocks(kRows) * stride);
  for (uint8_t& byte : codes) {
    byte = static_cast<uint8_t>(bits.next() & 0xaau);  // codes 0 and 2
  }
  std::vector<float> scales(shape.groups(kCols) * kRows);
  std::vector<float> x(kBatch * kCols);
  for (float& value : scales) {
    value = bits.next_float();
  }
  for (float& value : x) {
    value = bits.next_float();
  }
  std::vector<float> out[2];
  const KernelTable* tables[2] = {&table, &scalar};
  for (size_t i = 0; i < 2; ++i) {
    out[i].resize(kBatch * kRows);
    tables[i]->ternary_dots[static_cast<size_t>(shape.type)](
        {codes.data(), row_blocks(kRows), stride, kCols, shape.cols / 16, scales.data(), x.data(),
         kCols, kBatch, out[i].data(), kRows});
  }
  return std::memcmp(out[0].data(), out[1].data(), out[0].size() * sizeof(float)) == 0
             ? Status()
             : differs("ternary_dots", table.level);
}

// Float kernels against the scalar ones, bit for bit.
Status test_floats(const KernelTable& table, const KernelTable& scalar) {
  Bits bits;
  std::vector<float> x(kCols);
  std::vector<float> weight(kCols);
  std::vector<uint16_t> head(kRows * kCols);
  for (float& value : x) {
    value = bits.next_float();
  }
  for (float& value : weight) {
    value = bits.next_float();
  }
  for (uint16_t& value : head) {
    value = static_cast<uint16_t>(0x3c00u + bits.next() % 0x0400u);
  }
  std::vector<float> normed[2] = {std::vector<float>(kCols), std::vector<float>(kCols)};
  std::vector<int8_t> q[2] = {std::vector<int8_t>(kPadded), std::vector<int8_t>(kPadded)};
  std::vector<float> logits[2] = {std::vector<float>(kRows), std::vector<float>(kRows)};
  float sums[2] = {};
  const KernelTable* tables[2] = {&table, &scalar};
  for (size_t i = 0; i < 2; ++i) {
    tables[i]->rms_norm_quantize(x.data(), weight.data(), kCols, 1e-5f, normed[i].data(),
                                 q[i].data(), kPadded);
    tables[i]->dot_rows_bf16(
        {head.data(), kRows, kCols, x.data(), kCols, 1, logits[i].data(), kRows});
    sums[i] = tables[i]->exp_sum(x.data(), kCols, 2.0f);
  }
  const auto same = [](const auto& a, const auto& b) {
    return std::memcmp(a.data(), b.data(), a.size() * sizeof(a[0])) == 0;
  };
  if (!same(normed[0], normed[1]) || q[0] != q[1]) {
    return differs("rms_norm_quantize", table.level);
  }
  if (!same(logits[0], logits[1])) {
    return differs("dot_rows_bf16", table.level);
  }
  if (std::memcmp(&sums[0], &sums[1], sizeof(float)) != 0) {
    return differs("exp_sum", table.level);
  }
  return {};
}

}  // namespace

Status self_test_kernels(IsaLevel level) {
  const KernelTable& table = kernel_table(level);
  const KernelTable& scalar = kernel_table(IsaLevel::kScalar);
  ROTOR_TRY(test_matmul(table));
  ROTOR_TRY(test_group_matmul(table, scalar));
  ROTOR_TRY(test_ternary_dots(table, scalar));
  return test_floats(table, scalar);
}

}  // namespace rotor
