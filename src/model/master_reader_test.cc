// SPDX-License-Identifier: Apache-2.0
// The rule of transformers' WeightQuant, on values whose mean is exact.
#include "model/master_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

namespace rotor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ReadBytes reader_of(std::vector<float> values) {
  return [values = std::move(values)](uint64_t offset, std::span<std::byte> out) -> Status {
    std::memcpy(out.data(), reinterpret_cast<const std::byte*>(values.data()) + offset, out.size());
    return {};
  };
}

std::vector<int8_t> trits_of(const TritReader& reader) {
  std::vector<int8_t> trits(kTileRows * reader.cols(), 9);
  EXPECT_TRUE(reader.read(0, 1, trits.data()).ok());
  for (size_t i = reader.rows() * reader.cols(); i < trits.size(); ++i) {
    EXPECT_EQ(trits[i], 0) << "row past the end";
  }
  trits.resize(reader.rows() * reader.cols());
  return trits;
}

TEST(Master, RoundsHalfToEvenAndClamps) {
  // Mean magnitude 1: the factor is 1 and the ties are exact. 3 clamps to 1.
  const float above = std::nextafter(0.5f, 1.0f);
  const float rest = 8.0f - 0.5f - 0.5f - above - above - 3.0f - 0.0f - 0.0f;
  const auto master = open_master("w", FloatType::kF32, 2, 4,
                                  reader_of({0.5f, -0.5f, above, -above, -3.0f, 0.0f, 0.0f, rest}));
  ASSERT_TRUE(master.ok());
  EXPECT_THAT(master->scale.values, ElementsAre(1.0f));
  EXPECT_THAT(trits_of(*master->trits), ElementsAre(0, 0, 1, -1, -1, 0, 0, 1));
}

TEST(Master, TheMeanHasAFloor) {
  const auto zeros = open_master("w", FloatType::kF32, 1, 2, reader_of({0.0f, 0.0f}));
  ASSERT_TRUE(zeros.ok());
  EXPECT_THAT(zeros->scale.values, ElementsAre(1.0f / (1.0f / 1e-5f)));
  EXPECT_THAT(trits_of(*zeros->trits), ElementsAre(0, 0));
}

TEST(Master, RefusesWhatIsNotFinite) {
  for (const float bad : {std::nanf(""), INFINITY, -INFINITY}) {
    const auto master =
        open_master("layer w", FloatType::kF32, 2, 2, reader_of({1.0f, 1.0f, 1.0f, bad}));
    EXPECT_EQ(master.status().code(), Code::kFormatError);
    EXPECT_THAT(master.status().message(), HasSubstr("layer w, byte 12 "));
  }
}

}  // namespace
}  // namespace rotor
