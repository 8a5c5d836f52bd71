// SPDX-License-Identifier: Apache-2.0
#include "packed_matrix.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <new>
#include <numeric>
#include <utility>

#include "base/cpu_features.h"
#include "base/round_up.h"
#include "device/cpu/linear_products.h"
#include "kernels/kernels.h"
#include "shared_pool.h"

namespace rotor::python {
namespace {

constexpr size_t kSumsAtOnce = size_t{32} << 10;       // of a thread: they stay in its cache
constexpr size_t kProductsAtOnce = size_t{1} << 30;    // tens of milliseconds on a vector level
constexpr size_t kProductsAlone = size_t{1} << 22;     // of one thread: waking another takes as long
constexpr size_t kBlocksTogether = 2;                  // what kernels multiply at once

bool is_small(const TernaryMatrix& matrix, size_t batch) {
  return batch < kProductsAlone / matrix.rows / matrix.cols;
}

std::string shape_of(size_t rows, size_t cols) {
  return "(" + std::to_string(rows) + ", " + std::to_string(cols) + ")";
}

// Activations as the kernels read them.
struct Codes {
  size_t batch = 0;
  size_t stride = 0;                // of x: columns, padded for every layout
  size_t running_stride = 0;        // of `running`; 0 without groups
  std::vector<int8_t> x;            // (batch, stride), zero past the matrix's columns
  std::vector<float> scale;         // (batch) 127 / magnitude
  std::vector<int32_t> sum;         // (batch)
  std::vector<int32_t> running;     // (batch, running_stride) sums up to every 64th column

  Codes(const TernaryMatrix& matrix, size_t vectors, bool grouped)
      : batch(vectors),
        stride(round_up(matrix.cols, kColumnPadding)),
        running_stride(grouped ? round_up(matrix.cols, kGroupCols[2]) / kRunningCols + 1 : 0),
        x(batch * stride),
        scale(batch),
        sum(batch),
        running(batch * running_stride) {}

  const int8_t* row(size_t b) const { return x.data() + b * stride; }

  InputRows rows() const {
    return {.count = batch,
            .q8 = x.data(),
            .q8_stride = stride,
            .q8_scale = scale.data(),
            .q8_sum = sum.data(),
            .q8_running = running.data(),
            .q8_running_stride = running_stride};
  }
};

RowRange range_of(const TernaryMatrix& matrix, Slice blocks) {
  return {blocks, {blocks.begin * kTileRows, std::min(blocks.end * kTileRows, matrix.rows)}};
}

// One fork-join: prepare(thread, b) for every vector of the batch, then, unless stop(), the row blocks of the
// matrix, divided over the team in parts whose sums a thread keeps in its cache. part(blocks, sums,
// stride) is called for each, with room for (batch, stride) sums.
template <typename Prepare, typename Stop, typename Part>
void multiply_parts(ThreadPool& pool, const TernaryMatrix& matrix, size_t batch,
                    const Prepare& prepare, const Stop& stop, const Part& part) {
  const size_t blocks = row_blocks(matrix.rows);
  const size_t most = std::max(kSumsAtOnce / (batch * kTileRows) / kBlocksTogether, size_t{1}) *
                      kBlocksTogether;
  const size_t share = round_up((blocks + pool.size() - 1) / pool.size(), kBlocksTogether);
  const size_t step = std::min(most, share);
  const size_t stride = step * kTileRows;
  const auto sums = std::make_unique_for_overwrite<int32_t[]>(pool.size() * batch * stride);
  pool.run([&](size_t thread) {
    const Slice vectors = slice_of(batch, 1, thread, pool.size());
    for (size_t b = vectors.begin; b < vectors.end; ++b) {
      prepare(thread, b);
    }
    pool.barrier();
    if (stop()) {
      return;
    }
    const Slice mine = slice_of(blocks, kBlocksTogether, thread, pool.size());
    for (size_t begin = mine.begin; begin < mine.end; begin += step) {
      part(Slice{begin, std::min(begin + step, mine.end)}, sums.get() + thread * batch * stride,
           stride);
    }
  });
}

Status check_shape(size_t rows, size_t cols, const ScaleValues& scale, TernaryFormat format) {
  if (rows == 0 || cols == 0 || rows > kMostRows || cols > kMostCols) {
    return invalid_argument("trits: expected between 1 and " + std::to_string(kMostRows) +
                            " rows and between 1 and " + std::to_string(kMostCols) +
                            " columns, got shape " + shape_of(rows, cols));
  }
  using Granularity = TernaryScale::Granularity;
  const size_t expected = scale.granularity == Granularity::kTensor ? 1
                          : scale.granularity == Granularity::kRow
                              ? rows
                              : rows * scale.group.groups(cols);
  if (scale.values.size() != expected) {
    return invalid_argument("scale: expected " + std::to_string(expected) +
                            " values for a matrix of shape " + shape_of(rows, cols) + ", got " +
                            std::to_string(scale.values.size()));
  }
  if (scale.granularity == Granularity::kGroup && format != TernaryFormat::kI2) {
    return invalid_argument("format: scales of groups need i2, got " +
                            std::string(format_info(format).name));
  }
  return check_scale(scale.values);
}

Status check_trits(const int8_t* trits, size_t rows, size_t cols) {
  const int8_t* const end = trits + rows * cols;
  const int8_t* found = std::find_if(trits, end, [](int8_t t) { return t < -1 || t > 1; });
  if (found == end) {
    return {};
  }
  const auto place = static_cast<size_t>(found - trits);
  return invalid_argument("trits: expected -1, 0 or 1, got " + std::to_string(*found) + " at row " +
                          std::to_string(place / cols) + ", column " + std::to_string(place % cols) +
                          " of shape " + shape_of(rows, cols));
}

}  // namespace

Status check_scale(std::span<const float> scale) {
  for (size_t i = 0; i < scale.size(); ++i) {
    if (!std::isfinite(scale[i]) || scale[i] <= 0) {
      return invalid_argument("scale: expected finite values above zero, got " +
                              std::to_string(scale[i]) + " at " + std::to_string(i) + " of " +
                              std::to_string(scale.size()));
    }
  }
  return {};
}

Result<PackedMatrix> PackedMatrix::pack(const int8_t* trits, size_t rows, size_t cols,
                                        ScaleValues scale, TernaryFormat format) {
  ROTOR_TRY(check_shape(rows, cols, scale, format));
  ROTOR_TRY(check_trits(trits, rows, cols));
  PackedMatrix made;
  TernaryMatrix& matrix = made.matrix_;
  matrix.format = format;
  matrix.rows = rows;
  matrix.cols = cols;
  matrix.scale.granularity = scale.granularity;
  matrix.scale.group = scale.group;
  ROTOR_ASSIGN(made.packed_, Buffer::allocate(matrix.bytes()));
  auto* const packed = reinterpret_cast<uint8_t*>(made.packed_.data());
  matrix.packed = packed;
  const TernaryFormatInfo& info = format_info(format);
  const size_t whole = rows / kTileRows;
  for (size_t block = 0; block < whole; ++block) {
    info.pack_row_block(trits + block * kTileRows * cols, cols, cols,
                        packed + block * row_block_bytes(format, cols));
  }
  const size_t groups = matrix.scale.grouped() ? scale.group.groups(cols) : 0;
  try {
    if (const size_t left = rows % kTileRows; left != 0) {
      std::vector<int8_t> last(kTileRows * cols);
      std::copy_n(trits + whole * kTileRows * cols, left * cols, last.data());
      info.pack_row_block(last.data(), cols, cols, packed + whole * row_block_bytes(format, cols));
    }
    made.scale_values_ = scale.values;
    if (groups == 0) {
      matrix.scale.values = std::move(scale.values);
      return made;
    }
    scale.values.resize(row_blocks(rows) * kTileRows * groups);  // zeros for the rows of padding
  } catch (const std::bad_alloc&) {
    return out_of_memory("no memory for a matrix of shape " + shape_of(rows, cols));
  }
  ROTOR_ASSIGN(made.group_scales_,
               Buffer::allocate(group_scale_bytes(scale.group, rows, cols)));
  matrix.group_scales = made.group_scales_.data();
  for (size_t block = 0; block < row_blocks(rows); ++block) {
    if (!pack_group_scales(scale.group.type, scale.values.data() + block * kTileRows * groups, groups,
                           made.group_scales_.data() +
                               block * group_scale_block_bytes(scale.group, cols))) {
      return invalid_argument("scale: a value is no binary16 number");
    }
  }
  return made;
}

void unpack(const TernaryMatrix& matrix, int8_t* trits) {
  const TernaryFormatInfo& info = format_info(matrix.format);
  std::vector<int8_t> block(kTileRows * matrix.cols);
  for (size_t b = 0; b < row_blocks(matrix.rows); ++b) {
    info.unpack_row_block(matrix.row_block(b), matrix.cols, block.data(), matrix.cols);
    const size_t begin = b * kTileRows;
    const size_t count = std::min(kTileRows, matrix.rows - begin);
    std::copy_n(block.data(), count * matrix.cols, trits + begin * matrix.cols);
  }
}

size_t batch_at_once(const TernaryMatrix& matrix) {
  return std::clamp(kProductsAtOnce / matrix.rows / matrix.cols, size_t{16}, size_t{1024});
}

Status multiply(const TernaryMatrix& matrix, const float* x, size_t batch, size_t first, float* out,
                size_t threads) try {
  ROTOR_ASSIGN(const IsaLevel level, selected_isa());
  const KernelTable& kernels = kernel_table(level);
  const bool grouped = matrix.scale.grouped();
  Codes codes(matrix, batch, grouped);
  std::atomic<size_t> not_finite{batch};
  std::vector<float> normed;  // (threads, cols) x once more, which the kernel writes
  const auto quantize = [&](size_t thread, size_t b) {
    const Quantized result = kernels.rms_norm_quantize(
        x + b * matrix.cols, nullptr, matrix.cols, 0.0f, normed.data() + thread * matrix.cols,
        codes.x.data() + b * codes.stride, codes.stride);
    codes.scale[b] = result.scale;
    codes.sum[b] = result.sum;
    if (grouped) {
      sum_columns(codes.row(b), codes.stride, codes.running_stride,
                  codes.running.data() + b * codes.running_stride);
    }
    size_t seen = not_finite.load();
    while (!result.finite && b < seen && !not_finite.compare_exchange_weak(seen, b)) {
    }
  };
  const auto part = [&](Slice blocks, int32_t* sums, size_t stride) {
    const RowRange range = range_of(matrix, blocks);
    multiply_q8(kernels, matrix, range, codes.rows(), sums, stride);
    for (size_t b = 0; b < batch; ++b) {
      scale_q8(kernels, matrix.scale, codes.scale[b], sums + b * stride, range.rows,
                  out + b * matrix.rows + range.rows.begin);
    }
  };
  const auto stop = [&] { return not_finite.load() != batch; };
  ROTOR_TRY(SharedPool::run(threads, is_small(matrix, batch), [&](ThreadPool& pool) {
    normed.resize(pool.size() * matrix.cols);
    multiply_parts(pool, matrix, batch, quantize, stop, part);
  }));
  if (stop()) {
    return Status(Code::kNotFinite, "x: vector " + std::to_string(first + not_finite.load()) +
                                        " of " + std::to_string(matrix.cols) +
                                        " columns holds an infinite or NaN value");
  }
  return {};
} catch (const std::bad_alloc&) {
  return out_of_memory("no memory for " + std::to_string(batch) + " vectors");
}

Status multiply_codes(const TernaryMatrix& matrix, const int8_t* codes_in, size_t batch,
                      int32_t* out, size_t threads) try {
  ROTOR_ASSIGN(const IsaLevel level, selected_isa());
  const KernelTable& kernels = kernel_table(level);
  Codes codes(matrix, batch, false);
  const auto copy = [&](size_t /*thread*/, size_t b) {
    std::copy_n(codes_in + b * matrix.cols, matrix.cols, codes.x.data() + b * codes.stride);
    codes.sum[b] = std::accumulate(codes.row(b), codes.row(b) + matrix.cols, 0);
  };
  const auto part = [&](Slice blocks, int32_t* sums, size_t stride) {
    const RowRange range = range_of(matrix, blocks);
    accumulate(kernels, matrix, range, codes.rows(), sums, stride);
    const size_t begin = range.rows.begin;
    for (size_t b = 0; b < batch; ++b) {
      std::copy_n(sums + b * stride, range.rows.end - begin, out + b * matrix.rows + begin);
    }
  };
  return SharedPool::run(threads, is_small(matrix, batch), [&](ThreadPool& pool) {
    multiply_parts(pool, matrix, batch, copy, [] { return false; }, part);
  });
} catch (const std::bad_alloc&) {
  return out_of_memory("no memory for " + std::to_string(batch) + " vectors");
}

}  // namespace rotor::python
