// SPDX-License-Identifier: Apache-2.0
#include "model/stacked_linears.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/test_model.h"

namespace rotor {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Granularity = TernaryScale::Granularity;

constexpr MatrixShape kShape = {32, 70};
constexpr size_t kParts = 3;

std::vector<LinearSource> parts_of(Granularity granularity) {
  std::mt19937 random(6);
  std::vector<LinearSource> parts;
  for (size_t i = 0; i < kParts; ++i) {
    parts.push_back(random_linear("part " + std::to_string(i), kShape, {FloatType::kBf16, granularity}, random));
  }
  return parts;
}

template <typename T>
std::vector<T> joined(const std::vector<std::vector<T>>& all) {
  std::vector<T> out;
  for (const std::vector<T>& one : all) {
    out.insert(out.end(), one.begin(), one.end());
  }
  return out;
}

TEST(StackedLinears, TritsAreThoseOfAllPartsInOrder) {
  std::vector<std::vector<int8_t>> trits;
  for (const LinearSource& part : parts_of(Granularity::kRow)) {
    trits.push_back(all_trits(*part.trits));
  }
  const auto stacked = stack_linears("all", parts_of(Granularity::kRow));
  ASSERT_TRUE(stacked.ok()) << stacked.status().message();
  EXPECT_EQ(stacked->tensor, "all");
  EXPECT_EQ(stacked->layout, "in memory");
  EXPECT_EQ(stacked->trits->rows(), kParts * kShape.rows);
  const std::vector<int8_t> all = joined(trits);
  EXPECT_EQ(all_trits(*stacked->trits), all);
  const VectorTrits whole(kParts * kShape.rows, kShape.cols, all);
  for (size_t begin = 0; begin < 6; ++begin) {  // every run of the six row blocks
    for (size_t end = begin + 1; end <= 6; ++end) {
      std::vector<int8_t> got((end - begin) * kTileRows * kShape.cols);
      ASSERT_TRUE(stacked->trits->read(begin, end, got.data()).ok());
      EXPECT_TRUE(std::equal(got.begin(), got.end(),
                             all.begin() + static_cast<std::ptrdiff_t>(begin * kTileRows * kShape.cols)));
      for (const TernaryFormat format : {TernaryFormat::kI2, TernaryFormat::kDense243}) {
        const size_t bytes = (end - begin) * row_block_bytes(format, kShape.cols);
        std::vector<uint8_t> packed(bytes);
        std::vector<uint8_t> expected(bytes);
        ASSERT_TRUE(stacked->trits->pack(begin, end, format, packed.data()).ok());
        ASSERT_TRUE(whole.pack(begin, end, format, expected.data()).ok());
        EXPECT_EQ(packed, expected);
      }
    }
  }
}

TEST(StackedLinears, ScalesAreThoseOfRows) {
  std::vector<LinearSource> parts = parts_of(Granularity::kRow);
  std::vector<std::vector<float>> values;
  parts[1].scale.granularity = Granularity::kTensor;
  parts[1].scale.values = {0.25f};
  parts[1].off_by_one = 3;
  parts[2].off_by_one = 4;
  for (const LinearSource& part : parts) {
    values.push_back(part.scale.values.size() == 1 ? std::vector<float>(kShape.rows, 0.25f)
                                                   : part.scale.values);
  }
  const auto stacked = stack_linears("all", std::move(parts));
  ASSERT_TRUE(stacked.ok());
  EXPECT_EQ(stacked->scale.granularity, Granularity::kRow);
  EXPECT_EQ(stacked->scale.values, joined(values));
  EXPECT_EQ(stacked->off_by_one, 7u);
}

TEST(StackedLinears, ScalesOfGroups) {
  std::vector<std::vector<float>> scales;
  for (const LinearSource& part : parts_of(Granularity::kGroup)) {
    scales.push_back(all_group_scales(part));
  }
  const auto stacked = stack_linears("all", parts_of(Granularity::kGroup));
  ASSERT_TRUE(stacked.ok());
  EXPECT_TRUE(stacked->scale.grouped());
  EXPECT_EQ(all_group_scales(*stacked), joined(scales));
}

TEST(StackedLinears, Floats) {
  std::vector<LinearSource> parts = parts_of(Granularity::kRow);
  std::vector<std::byte> expected;
  for (LinearSource& part : parts) {
    write_out(part);
    std::vector<std::byte> bytes(kShape.rows * kShape.cols * sizeof(float));
    ASSERT_TRUE(part.floats->reader->read(0, kShape.rows, bytes.data()).ok());
    expected.insert(expected.end(), bytes.begin(), bytes.end());
  }
  const auto stacked = stack_linears("all", std::move(parts));
  ASSERT_TRUE(stacked.ok());
  EXPECT_EQ(stacked->floats->rows, kParts * kShape.rows);
  std::vector<std::byte> bytes(expected.size());
  ASSERT_TRUE(stacked->floats->reader->read(0, kParts * kShape.rows, bytes.data()).ok());
  EXPECT_EQ(bytes, expected);
}

TEST(StackedLinears, PartsThatDoNotFitAreRefused) {
  std::vector<LinearSource> parts = parts_of(Granularity::kGroup);
  std::mt19937 random(1);
  parts[2] = random_linear("odd", kShape, {FloatType::kBf16, Granularity::kRow}, random);
  const auto mixed = stack_linears("all", std::move(parts));
  EXPECT_EQ(mixed.status().code(), Code::kUnsupported);
  EXPECT_THAT(mixed.status().message(), AllOf(HasSubstr("'odd'"), HasSubstr("different kinds")));
  parts = parts_of(Granularity::kRow);
  for (LinearSource& part : parts) {
    write_out(part);
  }
  parts[1].floats->type = FloatType::kF16;
  const auto floats = stack_linears("all", std::move(parts));
  EXPECT_EQ(floats.status().code(), Code::kUnsupported);
  EXPECT_THAT(floats.status().message(), HasSubstr("several types"));
}

TEST(StackedLinears, AnErrorOfAPartIsSaid) {
  std::vector<LinearSource> parts = parts_of(Granularity::kRow);
  parts[1].trits = std::make_unique<BrokenTrits>(kShape.rows, kShape.cols, "no such byte");
  const auto stacked = stack_linears("all", std::move(parts));
  ASSERT_TRUE(stacked.ok());
  std::vector<int8_t> trits(6 * kTileRows * kShape.cols);
  EXPECT_EQ(stacked->trits->read(0, 6, trits.data()).message(), "no such byte");
  EXPECT_TRUE(stacked->trits->read(4, 6, trits.data()).ok());
}

}  // namespace
}  // namespace rotor
