// SPDX-License-Identifier: Apache-2.0
// Ternary products: the scalar kernel against the definition in 64 bits, the others against the
// definition too; all tails, tile ranges, batches, and the inputs that overflow careless kernels.
#include <algorithm>
#include <functional>

#include "kernels/kernel_check.h"
#include "ternary/reference.h"

namespace rotor {
namespace {

TernaryFormat format_of(const std::string& name) {
  return *parse_format(name.substr(std::string("ternary_matmul_").size()));
}

struct Case {
  size_t row_blocks;
  size_t cols;
  size_t batch;
  std::function<int8_t(size_t r, size_t c)> trit;
  std::function<int8_t(size_t b, size_t c)> x;
};

// A product in the kernel's layout, computed over tiles [tile_begin, tile_end).
class Product {
 public:
  Product(TernaryFormat format, const Case& c)
      : format_(format),
        case_(c),
        rows_(c.row_blocks * kTileRows),
        tile_cols_(format_info(format).tile_cols),
        padded_(tiles_per_row_block(format, c.cols) * tile_cols_),
        x_stride_(padded_ + 3),
        out_stride_(rows_ + 5),
        trits_(rows_ * c.cols),
        weights_(packed_bytes(format, rows_, c.cols)),
        x_((c.batch - 1) * x_stride_ + padded_) {
    for (size_t r = 0; r < rows_; ++r) {
      for (size_t col = 0; col < c.cols; ++col) {
        trits_[r * c.cols + col] = c.trit(r, col);
      }
    }
    const size_t block_bytes = row_block_bytes(format, c.cols);
    for (size_t block = 0; block < c.row_blocks; ++block) {
      format_info(format).pack_row_block(trits_.data() + block * kTileRows * c.cols, c.cols, c.cols,
                                         weights_.data() + block * block_bytes);
    }
    std::fill(x_.begin(), x_.end(), int8_t{0});
    for (size_t b = 0; b < c.batch; ++b) {
      for (size_t col = 0; col < c.cols; ++col) {
        x_[b * x_stride_ + col] = c.x(b, col);
      }
    }
  }

  void check(TernaryMatmul kernel, size_t tile_begin, size_t tile_end) {
    const size_t begin = std::min(case_.cols, tile_begin * tile_cols_);
    const size_t end = std::min(case_.cols, tile_end * tile_cols_);
    std::vector<int8_t> trits;
    std::vector<int8_t> x;
    for (size_t r = 0; r < rows_; ++r) {
      const int8_t* row = trits_.data() + r * case_.cols;
      trits.insert(trits.end(), row + begin, row + end);
    }
    std::vector<int32_t> x_sum(case_.batch, 0);
    for (size_t b = 0; b < case_.batch; ++b) {
      const int8_t* row = x_.data() + b * x_stride_;
      x.insert(x.end(), row + begin, row + end);
      for (size_t c = begin; c < end; ++c) {
        x_sum[b] += row[c];
      }
    }
    std::vector<int64_t> expected(case_.batch * rows_);
    reference_ternary_matmul(trits.data(), rows_, end - begin, x.data(), case_.batch,
                             expected.data());

    constexpr int32_t kUntouched = 0x5a5a5a5a;
    GuardedArray<int32_t> out((case_.batch - 1) * out_stride_ + rows_);
    std::fill(out.begin(), out.end(), kUntouched);
    kernel({weights_.data(), case_.row_blocks, row_block_bytes(format_, case_.cols), tile_begin,
            tile_end, x_.data(), x_stride_, x_sum.data(), case_.batch, out.data(), out_stride_});
    for (size_t i = 0; i < out.size(); ++i) {
      const size_t b = i / out_stride_;
      const size_t r = i % out_stride_;
      const int64_t want = r < rows_ ? expected[b * rows_ + r] : kUntouched;
      ASSERT_EQ(out[i], want) << "batch row " << b << " of " << case_.batch << ", matrix row " << r
                              << " of " << rows_ << ", cols " << case_.cols << ", tiles ["
                              << tile_begin << ", " << tile_end << ")";
    }
  }
  void check(TernaryMatmul kernel) { check(kernel, 0, padded_ / tile_cols_); }

 private:
  TernaryFormat format_;
  const Case& case_;
  size_t rows_;
  size_t tile_cols_;
  size_t padded_;
  size_t x_stride_;
  size_t out_stride_;
  std::vector<int8_t> trits_;
  GuardedArray<uint8_t> weights_;
  GuardedArray<int8_t> x_;
};

Case random_case(size_t row_blocks, size_t cols, size_t batch, uint32_t seed) {
  auto random = std::make_shared<std::mt19937>(seed);
  return {row_blocks, cols, batch,
          [random](size_t, size_t) { return static_cast<int8_t>(static_cast<int>((*random)() % 3) - 1); },
          [random](size_t, size_t) { return static_cast<int8_t>((*random)()); }};
}

void check_random(TernaryFormat format, TernaryMatmul kernel) {
  for (size_t cols = 1; cols <= 330; cols += cols < 170 ? 1 : 7) {
    const size_t batch = 1 + cols % 13;
    Case c = random_case(1 + cols % 5, cols, batch, static_cast<uint32_t>(cols));
    Product(format, c).check(kernel);
  }
  for (size_t batch = 1; batch <= 20; ++batch) {
    for (size_t row_blocks = 1; row_blocks <= 5; ++row_blocks) {
      Case c = random_case(row_blocks, 144, batch, static_cast<uint32_t>(batch));
      Product(format, c).check(kernel);
    }
  }
  for (size_t cols : {size_t{2560}, size_t{6912}}) {
    Case c = random_case(3, cols, 5, 99);
    Product(format, c).check(kernel);
  }
  // One vector: row blocks by twos.
  for (size_t cols : {size_t{512}, size_t{528}, size_t{640}, size_t{660}, size_t{2560}}) {
    for (size_t row_blocks : {2, 3, 5}) {
      Case c = random_case(row_blocks, cols, 1, static_cast<uint32_t>(cols));
      Product(format, c).check(kernel);
    }
  }
  // Around the sizes of panels and matrix units: 16 vectors, 12 at once, 64 columns, panels of 320 and 640.
  // The last 23 of 55 vectors are 16 and seven, after 16 and 16.
  for (size_t cols : {size_t{64}, size_t{321}, size_t{639}, size_t{641}, size_t{1290}}) {
    for (size_t batch : {15, 16, 17, 23, 24, 25, 31, 32, 33, 55, 65}) {
      Case c = random_case(1 + batch % 3, cols, batch, static_cast<uint32_t>(cols));
      Product(format, c).check(kernel);
    }
  }
}

void check_tile_ranges(TernaryFormat format, TernaryMatmul kernel) {
  for (size_t batch : {1, 3, 17}) {
    Case c = random_case(2, 400, batch, 5);
    Product product(format, c);
    for (size_t begin = 0; begin <= 20; ++begin) {
      for (size_t end = begin; end <= 20; ++end) {
        product.check(kernel, begin, end);
      }
    }
  }
}

// All sums of one sign, at the ends of the activation range, and the patterns that pair up badly in
// 16-bit lanes.
void check_extremes(TernaryFormat format, TernaryMatmul kernel, size_t cols, size_t batch) {
  const size_t row_blocks = batch == 1 ? 2 : 1;
  for (int trit : {-1, 1}) {
    for (int value : {-128, 127}) {
      Case same = {row_blocks, cols, batch, [=](size_t, size_t) { return static_cast<int8_t>(trit); },
                   [=](size_t, size_t) { return static_cast<int8_t>(value); }};
      Product(format, same).check(kernel);
      Case alternating = {
          row_blocks, cols, batch,
          [=](size_t r, size_t col) { return static_cast<int8_t>((r + col) % 2 != 0 ? trit : 0); },
          [=](size_t, size_t col) { return static_cast<int8_t>(col % 2 != 0 ? value : -1 - value); }};
      Product(format, alternating).check(kernel);
      Case outlier = {
          row_blocks, cols, batch, [=](size_t, size_t) { return static_cast<int8_t>(trit); },
          [=](size_t, size_t col) { return static_cast<int8_t>(col == cols - 1 ? value : 0); }};
      Product(format, outlier).check(kernel);
    }
  }
}

}  // namespace

void check_kernel(const std::string& name, TernaryMatmul kernel, TernaryMatmul) {
  const TernaryFormat format = format_of(name);
  check_random(format, kernel);
  check_tile_ranges(format, kernel);
  for (size_t cols : {size_t{16}, size_t{20}, size_t{512}, size_t{2560}, size_t{6912}}) {
    check_extremes(format, kernel, cols, 1 + cols % 7);
  }
  check_extremes(format, kernel, size_t{1} << 17, 1);
  check_extremes(format, kernel, (size_t{1} << 17) + 1000, 5);
  check_extremes(format, kernel, 6912, 16);
  check_extremes(format, kernel, 20 * (size_t{1} << 13) + 1000, 1);  // 2^13 tiles of 20 columns
}

}  // namespace rotor
