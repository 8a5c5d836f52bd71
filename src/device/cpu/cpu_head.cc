// SPDX-License-Identifier: Apache-2.0
// The final norm and the language-model head: rows of the vocabulary are divided over the threads.
#include <cstring>

#include "base/half.h"
#include "device/cpu/cpu_ops.h"
#include "device/cpu/float_rows.h"
#include "io/quant_blocks.h"

namespace rotor {
namespace {

constexpr uint32_t kExponent = 0x7f800000u;

bool all_finite(const float* x, size_t n) {
  bool finite = true;
  for (size_t i = 0; i < n; ++i) {
    finite &= (std::bit_cast<uint32_t>(x[i]) & kExponent) != kExponent;
  }
  return finite;
}

}  // namespace

void decode_row(const FloatMatrix& matrix, size_t row, FromF16 from_f16, float* out) {
  const std::byte* bytes = matrix.row(row);
  switch (matrix.type) {
    case FloatType::kF32: std::memcpy(out, bytes, matrix.cols * sizeof(float)); return;
    case FloatType::kF16: from_f16(reinterpret_cast<const uint16_t*>(bytes), matrix.cols, out); return;
    case FloatType::kBf16: {
      const auto* values = reinterpret_cast<const uint16_t*>(bytes);
      for (size_t i = 0; i < matrix.cols; ++i) {
        out[i] = bf16_to_float(values[i]);
      }
      return;
    }
    case FloatType::kQ8_0: decode_q8_0_row(bytes, matrix.cols, out); return;
    case FloatType::kQ6K: decode_q6_k_row(bytes, matrix.cols, out); return;
  }
}

void CpuOps::logits() {
  const FloatMatrix& head = weights_.head_matrix();
  const size_t hidden = config_.hidden;
  const size_t count = logit_rows_.size();
  if (count == 0) {
    return;
  }
  pool_.run([&](size_t thread) {
    const Slice norms = slice_of(count, 1, thread, pool_.size());
    for (size_t i = norms.begin; i < norms.end; ++i) {
      kernels_.rms_norm(ws_.x + logit_rows_[i] * hidden, weights_.output_norm.data(), hidden,
                        config_.rms_eps, ws_.projected + i * hidden);
    }
    pool_.barrier();
    const Slice mine = slice_of(head.rows, kTileRows, thread, pool_.size());
    DotRowsArgs args{};
    args.cols = hidden;
    args.x = ws_.projected;
    args.x_stride = hidden;
    args.batch = count;
    args.out_stride = config_.vocab;
    const auto dot = [&](DotRows kernel, const void* w, size_t begin, size_t end) {
      args.w = w;
      args.rows = end - begin;
      args.out = ws_.logits + begin;
      kernel(args);
    };
    if (mine.begin == mine.end) {
      return;
    }
    switch (head.type) {
      case FloatType::kF32:
        dot(kernels_.dot_rows_f32, head.row(mine.begin), mine.begin, mine.end);
        break;
      case FloatType::kF16:
        dot(kernels_.dot_rows_f16, head.row(mine.begin), mine.begin, mine.end);
        break;
      case FloatType::kBf16:
        dot(kernels_.dot_rows_bf16, head.row(mine.begin), mine.begin, mine.end);
        break;
      case FloatType::kQ8_0:
      case FloatType::kQ6K: {
        float* decoded = ws_.thread_scratch + thread * ws_.thread_stride;
        for (size_t r = mine.begin; r < mine.end; ++r) {
          decode_row(head, r, kernels_.from_f16, decoded);
          dot(kernels_.dot_rows_f32, decoded, r, r + 1);
        }
        break;
      }
    }
    for (size_t i = 0; i < count; ++i) {
      const float* row = ws_.logits + i * config_.vocab + mine.begin;
      if (!all_finite(row, mine.end - mine.begin)) {
        note_not_finite(config_.layers, 0, logit_rows_[i]);
      }
    }
  });
}

}  // namespace rotor
