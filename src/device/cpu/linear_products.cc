// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/linear_products.h"

#include <algorithm>

namespace rotor {
namespace {

// Puts the scaled sums, floats, where a matrix with another scale has its integers.
void accumulate_groups(const KernelTable& kernels, const TernaryMatrix& matrix, Slice blocks,
                       const InputRows& input, float* out, size_t stride) {
  const GroupShape& group = matrix.scale.group;
  GroupMatmulArgs args{};
  args.weights = matrix.row_block(blocks.begin);
  args.row_blocks = blocks.end - blocks.begin;
  args.row_block_stride = row_block_bytes(matrix.format, matrix.cols);
  args.tiles = tiles_per_row_block(matrix.format, matrix.cols);
  args.group_tiles = group.cols / format_info(matrix.format).tile_cols;
  args.scales = matrix.group_scales + blocks.begin * group_scale_block_bytes(group, matrix.cols);
  args.x = input.q8;
  args.x_stride = input.q8_stride;
  args.x_running = input.q8_running;
  args.x_running_stride = input.q8_running_stride;
  args.batch = input.count;
  args.out = out;
  args.out_stride = stride;
  args.ahead = kernels.weights_ahead;
  kernels.group_matmul[static_cast<size_t>(group.type)](args);
}

// Puts the finished products, floats, where other matrices have their integers.
void multiply_floats(const KernelTable& kernels, const Linear& linear, const RowRange& range,
                     const InputRows& input, float* out, size_t stride) {
  const TernaryMatrix& matrix = linear.matrix;
  if (linear.floats != nullptr) {
    dot_rows_of(kernels, linear.float_type)(
        {linear.floats + range.rows.begin * float_row_bytes(linear.float_type, matrix.cols),
         range.rows.end - range.rows.begin, matrix.cols, input.floats, input.float_stride,
         input.count, out, stride});
    return;
  }
  const GroupShape& group = matrix.scale.group;
  const Slice blocks = range.blocks;
  TernaryDotsArgs args{};
  args.weights = matrix.row_block(blocks.begin);
  args.row_blocks = blocks.end - blocks.begin;
  args.row_block_stride = row_block_bytes(matrix.format, matrix.cols);
  args.cols = matrix.cols;
  args.group_tiles = group.cols / format_info(matrix.format).tile_cols;
  args.scales = matrix.group_scales + blocks.begin * group_scale_block_bytes(group, matrix.cols);
  args.x = input.floats;
  args.x_stride = input.float_stride;
  args.batch = input.count;
  args.out = out;
  args.out_stride = stride;
  kernels.ternary_dots[static_cast<size_t>(group.type)](args);
}

}  // namespace

DotRows dot_rows_of(const KernelTable& kernels, FloatType type) {
  return type == FloatType::kF32   ? kernels.dot_rows_f32
         : type == FloatType::kF16 ? kernels.dot_rows_f16
                                   : kernels.dot_rows_bf16;
}

void sum_columns(const int8_t* q8, size_t padded, size_t entries, int32_t* running) {
  running[0] = 0;
  for (size_t i = 1; i < entries; ++i) {
    int32_t sum = 0;
    for (size_t c = (i - 1) * kRunningCols; c < std::min(padded, i * kRunningCols); ++c) {
      sum += q8[c];
    }
    running[i] = running[i - 1] + sum;
  }
}

void accumulate(const KernelTable& kernels, const TernaryMatrix& matrix, const RowRange& range,
                const InputRows& input, int32_t* acc, size_t stride) {
  if (range.empty()) {
    return;
  }
  TernaryMatmulArgs args{};
  args.weights = matrix.row_block(range.blocks.begin);
  args.row_blocks = range.blocks.end - range.blocks.begin;
  args.row_block_stride = row_block_bytes(matrix.format, matrix.cols);
  args.tile_begin = 0;
  args.tile_end = tiles_per_row_block(matrix.format, matrix.cols);
  args.x = input.q8;
  args.x_stride = input.q8_stride;
  args.x_sum = input.q8_sum;
  args.batch = input.count;
  args.out = acc;
  args.out_stride = stride;
  args.ahead = kernels.weights_ahead;
  kernels.ternary_matmul[static_cast<size_t>(matrix.format)](args);
}

void multiply_q8(const KernelTable& kernels, const TernaryMatrix& matrix, const RowRange& range,
                 const InputRows& input, int32_t* acc, size_t stride) {
  if (range.empty()) {
    return;
  }
  if (matrix.scale.grouped()) {
    accumulate_groups(kernels, matrix, range.blocks, input, reinterpret_cast<float*>(acc), stride);
  } else {
    accumulate(kernels, matrix, range, input, acc, stride);
  }
}

void scale_q8(const KernelTable& kernels, const TernaryScale& scale, float q8_scale,
              const int32_t* acc, Slice rows, float* out) {
  const size_t count = rows.end - rows.begin;
  if (scale.granularity == TernaryScale::Granularity::kTensor) {
    kernels.scale_tensor(acc, count, scale.values[0] / q8_scale, out);
  } else if (scale.grouped()) {
    kernels.divide_by(reinterpret_cast<const float*>(acc), q8_scale, count, out);
  } else {
    kernels.scale_rows(acc, scale.values.data() + rows.begin, count, 1.0f / q8_scale, out);
  }
}

void multiply_rows(const KernelTable& kernels, const Linear& linear, const RowRange& range,
                   const InputRows& input, int32_t* acc, size_t stride) {
  if (range.empty()) {
    return;
  }
  if (linear.activation == ActivationRule::kFloat) {
    multiply_floats(kernels, linear, range, input, reinterpret_cast<float*>(acc), stride);
  } else {
    multiply_q8(kernels, linear.matrix, range, input, acc, stride);
  }
}

void scale_products(const KernelTable& kernels, const Linear& linear, const InputRows& input,
                    size_t b, const int32_t* acc, Slice rows, float* out) {
  if (linear.activation == ActivationRule::kFloat) {
    std::copy_n(reinterpret_cast<const float*>(acc), rows.end - rows.begin, out);
  } else {
    scale_q8(kernels, linear.matrix.scale, input.q8_scale[b], acc, rows, out);
  }
}

}  // namespace rotor
