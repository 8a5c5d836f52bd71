// SPDX-License-Identifier: Apache-2.0
// Floats that are trits times scales: every unit there may be, in every float type, is found, and
// what is nearly so is told apart from what is not.
#include "model/exact_ternary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "base/half.h"
#include "io/test_tensors.h"
#include "model/test_files.h"

namespace rotor {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr FloatType kTypes[] = {FloatType::kF32, FloatType::kF16, FloatType::kBf16};
constexpr size_t kRows = 32;
constexpr size_t kCols = 320;  // no whole group of 128 or 256 at the end of a row

ReadBytes bytes_of(FloatType type, const std::vector<float>& values) {
  return [content = test::float_bytes(type, values)](uint64_t offset, std::span<std::byte> out) -> Status {
    EXPECT_LE(offset + out.size(), content.size());
    std::memcpy(out.data(), content.data() + offset, out.size());
    return {};
  };
}

// Numbers that every float type holds, and neighbours of none of the others.
float scale_number(size_t i) { return std::ldexp(1.0f + 0.125f * static_cast<float>(i % 8), -int(i % 5)); }

std::vector<float> times(const std::vector<int8_t>& trits,
                         const std::function<float(size_t row, size_t col)>& scale) {
  std::vector<float> values(trits.size());
  for (size_t i = 0; i < trits.size(); ++i) {
    values[i] = static_cast<float>(trits[i]) * scale(i / kCols, i % kCols);
  }
  return values;
}

std::vector<int8_t> trits_of(const TritReader& reader) {
  std::vector<int8_t> trits(row_blocks(reader.rows()) * kTileRows * reader.cols(), 9);
  EXPECT_TRUE(reader.read(0, row_blocks(reader.rows()), trits.data()).ok());
  trits.resize(reader.rows() * reader.cols());
  return trits;
}

TEST(ExactTernary, TheUnitsAreFound) {
  using Granularity = TernaryScale::Granularity;
  const std::vector<int8_t> trits = test::random_trits(kRows * kCols);
  const struct {
    const char* units;
    Granularity granularity;
    std::function<float(size_t, size_t)> scale;
  } cases[] = {
      {"matrix", Granularity::kTensor, [](size_t, size_t) { return 0.375f; }},
      {"2 shards of rows", Granularity::kRow, [](size_t r, size_t) { return scale_number(r / 16); }},
      {"4 shards of rows", Granularity::kRow, [](size_t r, size_t) { return scale_number(r / 8); }},
      {"8 shards of rows", Granularity::kRow, [](size_t r, size_t) { return scale_number(r / 4); }},
      {"row", Granularity::kRow, [](size_t r, size_t) { return scale_number(r); }},
      {"256 columns", Granularity::kGroup, [](size_t r, size_t c) { return scale_number(r + c / 256); }},
      {"128 columns", Granularity::kGroup, [](size_t r, size_t c) { return scale_number(r + c / 128); }},
      {"64 columns", Granularity::kGroup, [](size_t r, size_t c) { return scale_number(r + c / 64); }},
  };
  for (const FloatType type : kTypes) {
    for (const auto& [units, granularity, scale] : cases) {
      const auto exact =
          open_exact_ternary("w", type, kRows, kCols, bytes_of(type, times(trits, scale)));
      ASSERT_TRUE(exact.ok()) << exact.status().message();
      EXPECT_EQ(exact->units, units);
      EXPECT_EQ(exact->off_by_one, 0u);
      ASSERT_EQ(exact->scale.granularity, granularity) << units;
      EXPECT_EQ(trits_of(*exact->trits), trits);
      if (granularity != Granularity::kGroup) {
        ASSERT_EQ(exact->scale.values.size(), granularity == Granularity::kRow ? kRows : 1);
        for (size_t r = 0; r < exact->scale.values.size(); ++r) {
          EXPECT_EQ(exact->scale.values[r], scale(r, 0));
        }
        continue;
      }
      const size_t cols = exact->scale.group.cols;
      const size_t groups = exact->scale.group.groups(kCols);
      EXPECT_EQ(exact->scale.group.type,
                type == FloatType::kF16 ? GroupScaleType::kF16 : GroupScaleType::kF32);
      std::vector<float> scales(kRows * groups);
      ASSERT_TRUE(exact->group_scales->read(0, kRows / kTileRows, scales.data()).ok());
      for (size_t i = 0; i < scales.size(); ++i) {
        EXPECT_EQ(scales[i], scale(i / groups, i % groups * cols)) << units << " " << i;
      }
    }
  }
}

// The multiples of a scale by trits, whatever the scale is: the smallest and largest numbers too.
TEST(ExactTernary, ScalesAtTheEndsOfTheirType) {
  const std::vector<int8_t> trits = test::random_trits(kRows * kCols);
  for (const float scale : {0x1p-24f, 0x1p-14f, 65504.0f}) {
    const auto exact = open_exact_ternary("w", FloatType::kF16, kRows, kCols,
                                          bytes_of(FloatType::kF16, times(trits, [&](size_t, size_t) {
                                                     return scale;
                                                   })));
    ASSERT_TRUE(exact.ok()) << exact.status().message();
    EXPECT_EQ(exact->scale.values, std::vector<float>{scale});
  }
}

TEST(ExactTernary, ZerosFitEveryScale) {
  std::vector<int8_t> trits = test::random_trits(kRows * kCols);
  std::fill_n(trits.begin() + 3 * kCols, kCols, 0);
  const auto scale = [](size_t r, size_t) { return scale_number(r); };
  const auto rows = open_exact_ternary("w", FloatType::kF16, kRows, kCols,
                                       bytes_of(FloatType::kF16, times(trits, scale)));
  ASSERT_TRUE(rows.ok()) << rows.status().message();
  EXPECT_EQ(rows->units, "row");
  EXPECT_EQ(rows->scale.values[3], 0.0f);
  EXPECT_EQ(rows->scale.values[4], scale_number(4));
  std::vector<float> zeros(kRows * kCols, -0.0f);
  const auto none =
      open_exact_ternary("w", FloatType::kF32, kRows, kCols, bytes_of(FloatType::kF32, zeros));
  ASSERT_TRUE(none.ok()) << none.status().message();
  EXPECT_EQ(none->units, "matrix");
  EXPECT_EQ(trits_of(*none->trits), std::vector<int8_t>(kRows * kCols, 0));
}

// Exact units are preferred to larger ones that fit only nearly, however near.
TEST(ExactTernary, NeighboursAreTakenForOneScaleOnlyWhereNothingFitsExactly) {
  const std::vector<int8_t> trits = test::random_trits(kRows * kCols);
  const float next = std::nextafter(0.3f, 1.0f);
  const auto rows = open_exact_ternary(
      "w", FloatType::kF32, kRows, kCols,
      bytes_of(FloatType::kF32, times(trits, [&](size_t r, size_t) { return r % 3 == 0 ? next : 0.3f; })));
  ASSERT_TRUE(rows.ok()) << rows.status().message();
  EXPECT_EQ(rows->units, "row");
  EXPECT_EQ(rows->off_by_one, 0u);

  std::vector<float> values = times(trits, [](size_t, size_t) { return 0.3f; });
  uint64_t moved = 0;
  for (size_t i = 0; i < values.size(); i += 37) {
    moved += values[i] != 0.0f;
    values[i] = values[i] == 0.0f ? 0.0f : std::copysign(next, values[i]);
  }
  const auto nearly =
      open_exact_ternary("w", FloatType::kF32, kRows, kCols, bytes_of(FloatType::kF32, values));
  ASSERT_TRUE(nearly.ok()) << nearly.status().message();
  EXPECT_EQ(nearly->units, "matrix");
  EXPECT_EQ(nearly->scale.values, std::vector<float>{0.3f});
  EXPECT_EQ(nearly->off_by_one, moved);
  EXPECT_EQ(trits_of(*nearly->trits), trits);
  const auto source = exact_ternary_source("w", "F32", "here", FloatType::kF32, {kRows, kCols},
                                           bytes_of(FloatType::kF32, values));
  EXPECT_EQ(source->off_by_one, moved);
}

TEST(ExactTernary, OrdinaryWeightsAreRefused) {
  const std::vector<int8_t> trits = test::random_trits(kRows * kCols);
  const std::vector<float> good = times(trits, [](size_t, size_t) { return 0.5f; });
  for (const FloatType type : kTypes) {
    for (const float other : {0.25f, 0.51f, 1.0f, 0.0625f}) {
      std::vector<float> values = good;
      values[5 * kCols + 301] = other;
      values[5 * kCols + 300] = 0.5f;
      const auto exact = open_exact_ternary("w", type, kRows, kCols, bytes_of(type, values));
      EXPECT_EQ(exact.status().code(), Code::kUnsupported);
      EXPECT_THAT(exact.status().message(), AllOf(HasSubstr("w: ordinary float weights are not "
                                                            "ternarised silently"),
                                                  HasSubstr("in row 5, column")));
    }
  }
}

TEST(ExactTernary, WhatIsNotFiniteIsNamed) {
  const std::vector<float> good(kRows * kCols, 0.5f);
  for (const FloatType type : kTypes) {
    for (const float bad : {std::nanf(""), HUGE_VALF, -HUGE_VALF}) {
      std::vector<float> values = good;
      values[7 * kCols + 64] = bad;  // first of its run: the others differ from it
      const auto exact = open_exact_ternary("w", type, kRows, kCols, bytes_of(type, values));
      EXPECT_EQ(exact.status().code(), Code::kFormatError);
      const size_t item = type == FloatType::kF32 ? 4 : 2;
      EXPECT_THAT(exact.status().message(),
                  HasSubstr("w, byte " + std::to_string((7 * kCols + 64) * item) + " of its data"));
    }
  }
}

TEST(ExactTernary, ErrorsOfReadingArePassedOn) {
  const auto fail = [](uint64_t, std::span<std::byte>) -> Status { return io_error("gone"); };
  EXPECT_EQ(open_exact_ternary("w", FloatType::kF16, 4, 64, fail).status().code(), Code::kIoError);
}

}  // namespace
}  // namespace rotor
