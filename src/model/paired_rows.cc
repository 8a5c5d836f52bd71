// SPDX-License-Identifier: Apache-2.0
#include "model/paired_rows.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

namespace rotor {
namespace {

// Calls use(i, block, r): row i of the output, counted from row block `begin`, is row r of row block
// `block` of the file. Blocks come in runs: neighbours of the output are two rows apart in the file.
template <typename Use>
Status for_each_row(size_t begin, size_t end, size_t rows, size_t head_dim, Use use) {
  const size_t last = std::min(end * kTileRows, rows);
  for (size_t row = begin * kTileRows; row < last; ++row) {
    const size_t from = paired_row(row, head_dim);
    ROTOR_TRY(use(row - begin * kTileRows, from / kTileRows, from % kTileRows));
  }
  return {};
}

class UnpairedTrits final : public TritReader {
 public:
  UnpairedTrits(std::unique_ptr<TritReader> file, size_t head_dim)
      : TritReader(file->rows(), file->cols()), file_(std::move(file)), head_dim_(head_dim) {}

  Status read(size_t begin, size_t end, int8_t* trits) const override {
    std::vector<int8_t> held(kTileRows * cols());
    size_t held_block = SIZE_MAX;
    std::fill_n(trits, (end - begin) * kTileRows * cols(), int8_t{0});
    return for_each_row(begin, end, rows(), head_dim_, [&](size_t i, size_t block, size_t r) {
      Status status;
      if (block != held_block) {
        status = file_->read(block, block + 1, held.data());
        held_block = block;
      }
      std::copy_n(held.data() + r * cols(), cols(), trits + i * cols());
      return status;
    });
  }

 private:
  std::unique_ptr<TritReader> file_;
  size_t head_dim_;
};

class UnpairedGroupScales final : public GroupScaleReader {
 public:
  UnpairedGroupScales(std::unique_ptr<GroupScaleReader> file, size_t rows, size_t groups,
                      size_t head_dim)
      : file_(std::move(file)), rows_(rows), groups_(groups), head_dim_(head_dim) {}

  Status read(size_t begin, size_t end, float* scales) const override {
    std::vector<float> held(kTileRows * groups_);
    size_t held_block = SIZE_MAX;
    std::fill_n(scales, (end - begin) * kTileRows * groups_, 0.0f);
    return for_each_row(begin, end, rows_, head_dim_, [&](size_t i, size_t block, size_t r) {
      Status status;
      if (block != held_block) {
        status = file_->read(block, block + 1, held.data());
        held_block = block;
      }
      std::copy_n(held.data() + r * groups_, groups_, scales + i * groups_);
      return status;
    });
  }

 private:
  std::unique_ptr<GroupScaleReader> file_;
  size_t rows_;
  size_t groups_;
  size_t head_dim_;
};

class UnpairedFloats final : public FloatReader {
 public:
  UnpairedFloats(std::unique_ptr<FloatReader> file, size_t row_bytes, size_t head_dim)
      : file_(std::move(file)), row_bytes_(row_bytes), head_dim_(head_dim) {}

  Status read(size_t begin, size_t end, std::byte* out) const override {
    for (size_t row = begin; row < end; ++row) {
      const size_t from = paired_row(row, head_dim_);
      ROTOR_TRY(file_->read(from, from + 1, out + (row - begin) * row_bytes_));
    }
    return {};
  }

 private:
  std::unique_ptr<FloatReader> file_;
  size_t row_bytes_;
  size_t head_dim_;
};

}  // namespace

size_t paired_row(size_t row, size_t head_dim) {
  const size_t in_head = row % head_dim;
  const size_t half = head_dim / 2;
  return row - in_head + (in_head < half ? 2 * in_head : 2 * (in_head - half) + 1);
}

void undo_pairing(LinearSource& linear, size_t head_dim) {
  if (linear.floats) {
    FloatSource& floats = *linear.floats;
    floats.reader = std::make_unique<UnpairedFloats>(
        std::move(floats.reader), float_row_bytes(floats.type, floats.cols), head_dim);
    return;
  }
  const size_t rows = linear.trits->rows();
  if (linear.scale.granularity == TernaryScale::Granularity::kRow) {
    const std::vector<float> paired = linear.scale.values;
    for (size_t row = 0; row < rows; ++row) {
      linear.scale.values[row] = paired[paired_row(row, head_dim)];
    }
  }
  if (linear.group_scales != nullptr) {
    const size_t groups = linear.scale.group.groups(linear.trits->cols());
    linear.group_scales = std::make_unique<UnpairedGroupScales>(std::move(linear.group_scales), rows,
                                                                groups, head_dim);
  }
  linear.trits = std::make_unique<UnpairedTrits>(std::move(linear.trits), head_dim);
}

}  // namespace rotor
