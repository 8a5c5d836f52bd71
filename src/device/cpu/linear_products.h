// SPDX-License-Identifier: Apache-2.0
// Products of the rows of a matrix with rows of activations: which kernel computes them, and how their
// integers become floats. Whole batches and the tokens of an expert are multiplied by the same functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "model/weights.h"

namespace rotor {

// Rows that matrices multiply: int8 with what belongs to it, or the floats, where activations stay such.
struct InputRows {
  size_t count = 0;
  const int8_t* q8 = nullptr;          // (count, q8_stride), zero past the matrix's columns
  size_t q8_stride = 0;
  const float* q8_scale = nullptr;     // (count)
  const int32_t* q8_sum = nullptr;     // (count)
  const int32_t* q8_running = nullptr; // (count, q8_running_stride) GroupMatmulArgs::x_running, where
  size_t q8_running_stride = 0;        // a matrix has scales of groups
  const float* floats = nullptr;       // (count, float_stride)
  size_t float_stride = 0;
};

// Rows of a matrix: whole row blocks, of which the last may have fewer.
struct RowRange {
  Slice blocks;
  Slice rows;

  bool empty() const { return rows.begin == rows.end; }
};

// Of a float matrix in this type. REQUIRES: is_plain_float(type).
DotRows dot_rows_of(const KernelTable& kernels, FloatType type);

// GroupMatmulArgs::x_running: entry i is the sum of the first i * kRunningCols of `padded` values.
void sum_columns(const int8_t* q8, size_t padded, size_t entries, int32_t* running);

// Of a matrix with int8 activations: exact integers into acc (input.count, stride), over all groups
// where it has such.
void accumulate(const KernelTable& kernels, const TernaryMatrix& matrix, const RowRange& range,
                const InputRows& input, int32_t* acc, size_t stride);
// The same, or, where there are groups, the floats that the sum of their scaled integers is.
void multiply_q8(const KernelTable& kernels, const TernaryMatrix& matrix, const RowRange& range,
                 const InputRows& input, int32_t* acc, size_t stride);
// Results of `rows` of the matrix for activations of scale q8_scale, whose part of multiply_q8() is
// `acc`.
void scale_q8(const KernelTable& kernels, const TernaryScale& scale, float q8_scale,
              const int32_t* acc, Slice rows, float* out);

// Of any linear layer what scale_products() takes: multiply_q8(), or the finished products where
// activations stay floats.
void multiply_rows(const KernelTable& kernels, const Linear& linear, const RowRange& range,
                   const InputRows& input, int32_t* acc, size_t stride);
// Results of `rows` of the matrix for row `b` of the input, whose part of multiply_rows() is `acc`.
void scale_products(const KernelTable& kernels, const Linear& linear, const InputRows& input,
                    size_t b, const int32_t* acc, Slice rows, float* out);

}  // namespace rotor
