// SPDX-License-Identifier: Apache-2.0
// Rows that llama.cpp's converter has put side by side come back where they were, with their scales.
#include "model/paired_rows.h"

#include <gtest/gtest.h>

#include "model/test_model.h"

namespace rotor {
namespace {

// The converter: each head's rows, seen as (2, head_dim / 2), are written as (head_dim / 2, 2).
template <typename T>
std::vector<T> paired(const std::vector<T>& values, size_t rows, size_t head_dim) {
  const size_t width = values.size() / rows;
  std::vector<T> out;
  for (size_t head = 0; head < rows / head_dim; ++head) {
    for (size_t i = 0; i < head_dim / 2; ++i) {
      for (size_t side = 0; side < 2; ++side) {
        const size_t row = head * head_dim + side * (head_dim / 2) + i;
        out.insert(out.end(), values.begin() + static_cast<ptrdiff_t>(row * width),
                   values.begin() + static_cast<ptrdiff_t>((row + 1) * width));
      }
    }
  }
  return out;
}

struct Case {
  size_t heads;
  size_t head_dim;
};

class PairedRows : public testing::TestWithParam<Case> {};

TEST_P(PairedRows, ComeBackWithEveryKindOfScale) {
  using Scale = TernaryScale::Granularity;
  const auto [heads, head_dim] = GetParam();
  const MatrixShape shape = {heads * head_dim, 130};
  for (const Scale scale : {Scale::kTensor, Scale::kRow, Scale::kGroup}) {
    std::mt19937 random(3);
    TestModelOptions options;
    options.scale = scale;
    LinearSource linear = random_linear("q", shape, options, random);
    const std::vector<int8_t> trits = all_trits(*linear.trits);
    const std::vector<float> values = linear.scale.values;
    const std::vector<float> groups =
        scale == Scale::kGroup ? all_group_scales(linear) : std::vector<float>();
    replace_trits(linear, paired(trits, shape.rows, head_dim));
    if (scale == Scale::kRow) {
      linear.scale.values = paired(values, shape.rows, head_dim);
    } else if (scale == Scale::kGroup) {
      const size_t count = groups.size() / shape.rows;
      linear.group_scales =
          std::make_unique<VectorGroupScales>(count, paired(groups, shape.rows, head_dim));
    }
    undo_pairing(linear, head_dim);
    EXPECT_EQ(all_trits(*linear.trits), trits);
    EXPECT_EQ(linear.scale.values, values);
    if (scale == Scale::kGroup) {
      EXPECT_EQ(all_group_scales(linear), groups);
    }
    // Parts of the matrix, as loading reads it, are those parts of the whole.
    for (size_t begin = 0; begin < row_blocks(shape.rows); ++begin) {
      std::vector<int8_t> part(kTileRows * shape.cols);
      ASSERT_TRUE(linear.trits->read(begin, begin + 1, part.data()).ok());
      const size_t first = begin * kTileRows * shape.cols;
      part.resize(std::min(part.size(), trits.size() - first));
      EXPECT_TRUE(std::equal(part.begin(), part.end(), trits.begin() + static_cast<ptrdiff_t>(first)));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, PairedRows,
                         testing::Values(Case{1, 2}, Case{3, 12}, Case{5, 18}, Case{2, 64},
                                         Case{2, 96}, Case{1, 100}, Case{1, 256}));

TEST(PairedRows, FloatsComeBackToo) {
  std::mt19937 random(3);
  LinearSource linear = random_linear("q", {36, 5}, {}, random);
  const std::vector<int8_t> trits = all_trits(*linear.trits);
  LinearSource in_pairs = random_linear("q", {36, 5}, {}, random);
  in_pairs.scale = linear.scale;
  replace_trits(in_pairs, paired(trits, 36, 12));
  write_out(linear);
  write_out(in_pairs);
  undo_pairing(in_pairs, 12);
  std::vector<std::byte> expected(36 * 5 * 4);
  std::vector<std::byte> got(expected.size());
  ASSERT_TRUE(linear.floats->reader->read(0, 36, expected.data()).ok());
  ASSERT_TRUE(in_pairs.floats->reader->read(0, 17, got.data()).ok());
  ASSERT_TRUE(in_pairs.floats->reader->read(17, 36, got.data() + 17 * 20).ok());
  EXPECT_EQ(got, expected);
}

TEST(PairedRows, AnErrorOfTheFileIsPassedOn) {
  LinearSource linear;
  linear.trits = std::make_unique<BrokenTrits>(32, 8, "disk gone");
  undo_pairing(linear, 16);
  std::vector<int8_t> trits(2 * kTileRows * 8);
  EXPECT_EQ(linear.trits->read(0, 2, trits.data()).message(), "disk gone");
}

}  // namespace
}  // namespace rotor
