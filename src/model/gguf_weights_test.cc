// SPDX-License-Identifier: Apache-2.0
#include "model/gguf_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "base/half.h"
#include "io/test_tensors.h"
#include "model/paired_rows.h"
#include "model/test_conversion.h"

namespace rotor {
namespace {

using testing::HasSubstr;
using testing::Not;
using Granularity = TernaryScale::Granularity;

TEST(GgufWeights, NamesAreReadBack) {
  for (const GgufWeights type : kAllGgufWeights) {
    EXPECT_EQ(parse_gguf_weights(gguf_weights_name(type)), type);
  }
  EXPECT_EQ(parse_gguf_weights("q4_0"), std::nullopt);
  EXPECT_EQ(gguf_weights_id(GgufWeights::kTQ2_0), 35u);
  EXPECT_EQ(gguf_weights_id(GgufWeights::kI2S), 36u);
}

TEST(GgufWeights, PairedRowsGoWhereTheFileHasThem) {
  constexpr size_t kHeadDim = 64;
  const ModelSource source = test_source(test::block_config());
  const LinearSource& linear = source.layers[0].linear[static_cast<size_t>(LinearRole::kK)];
  for (const GgufWeights type : kAllGgufWeights) {
    const auto plain = pack_gguf_weights(linear, type, true);
    const auto paired = pack_gguf_weights(linear, type, true, kHeadDim);
    ASSERT_TRUE(plain.ok() && paired.ok());
    EXPECT_EQ(paired->sha256, plain->sha256) << "of the trits in the model's order";
    const size_t row_bytes = plain->bytes.size() / linear.trits->rows();  // but for I2_S's tail
    for (size_t row = 0; row < linear.trits->rows(); ++row) {
      const size_t place = paired_row(row, kHeadDim);
      EXPECT_TRUE(std::equal(plain->bytes.begin() + row * row_bytes,
                             plain->bytes.begin() + (row + 1) * row_bytes,
                             paired->bytes.begin() + place * row_bytes));
    }
  }
}

TEST(GgufWeights, RowsOfOtherLengthsAreRefusedWithTheTypesThatWouldDo) {
  ModelConfig config = test::block_config();
  config.ffn = 64 * 5;
  const ModelSource source = test_source(config);
  for (const GgufWeights type : {GgufWeights::kI2S, GgufWeights::kTQ1_0, GgufWeights::kTQ2_0,
                                 GgufWeights::kQ2_0_128}) {
    const Status status = check_gguf_weights(source, type);
    EXPECT_EQ(status.code(), Code::kUnsupported);
    EXPECT_THAT(status.message(), HasSubstr("'layers.0.down': rows of 320 columns are no whole blocks"));
    EXPECT_THAT(status.message(), HasSubstr("these types can: q2_0"));
    EXPECT_THAT(status.message(), Not(HasSubstr("q2_0, ")));
  }
  EXPECT_TRUE(check_gguf_weights(source, GgufWeights::kQ2_0).ok());
  EXPECT_EQ(default_gguf_weights(source), GgufWeights::kQ2_0);
  EXPECT_THAT(check_gguf_weights(test_source(test_config()), GgufWeights::kQ2_0).message(),
              HasSubstr("no type of GGUF can, a .rotor file can"));
  EXPECT_EQ(default_gguf_weights(test_source(test::block_config())), GgufWeights::kI2S);
}

TEST(GgufWeights, ScalesForSmallerPartsAreRefused) {
  const ModelConfig config = test::block_config();
  const auto check = [&](Granularity scale, size_t group, GgufWeights type) {
    return check_gguf_weights(
        test_source(config, {.scale = scale, .group = {group, GroupScaleType::kF16}}), type);
  };
  EXPECT_THAT(check(Granularity::kRow, 64, GgufWeights::kI2S).message(),
              HasSubstr("it has one multiplier a row, I2_S one a matrix; these types can: tq1_0"));
  EXPECT_TRUE(check(Granularity::kRow, 64, GgufWeights::kTQ1_0).ok());
  EXPECT_THAT(check(Granularity::kGroup, 64, GgufWeights::kQ2_0_128).message(),
              HasSubstr("64 columns of a row (f16), the type one for each 128; these types can: q2_0"));
  EXPECT_FALSE(check(Granularity::kGroup, 128, GgufWeights::kTQ2_0).ok());
  EXPECT_TRUE(check(Granularity::kGroup, 256, GgufWeights::kTQ2_0).ok());
  EXPECT_TRUE(check(Granularity::kGroup, 128, GgufWeights::kQ2_0).ok());
}

TEST(GgufWeights, AScaleThatBinary16LacksLiesBesideTheMatrix) {
  ModelSource source = test_source(test::block_config());
  LinearSource& linear = source.layers[0].linear[0];
  linear.scale.values = {0.1f};
  EXPECT_EQ(scale_beside(linear, GgufWeights::kTQ1_0), 0.1f);
  EXPECT_EQ(scale_beside(linear, GgufWeights::kI2S), std::nullopt);
  const auto packed = pack_gguf_weights(linear, GgufWeights::kTQ2_0, false);
  ASSERT_TRUE(packed.ok());
  uint16_t half = 0;
  std::memcpy(&half, packed->bytes.data() + 64, 2);
  EXPECT_EQ(f16_to_float(half), 1.0f);
  linear.scale.values = {0.125f};
  EXPECT_EQ(scale_beside(linear, GgufWeights::kTQ1_0), std::nullopt);
}

TEST(GgufWeights, RoundingNeedsToBeAllowedAndIsMeasured) {
  ModelSource source = test_source(test::block_config(), {.scale = Granularity::kRow});
  LinearSource& linear = source.layers[0].linear[0];
  linear.scale.values.assign(linear.trits->rows(), 0.25f);
  EXPECT_EQ(pack_gguf_weights(linear, GgufWeights::kQ2_0, false)->rounding, 0.0);
  linear.scale.values[200] = 1.0f + 0x1p-12f;
  const Status refused = pack_gguf_weights(linear, GgufWeights::kQ2_0, false).status();
  EXPECT_EQ(refused.code(), Code::kUnsupported);
  EXPECT_THAT(refused.message(), HasSubstr("'layers.0.q'"));
  EXPECT_THAT(refused.message(), HasSubstr("by 0.00024 of it; --allow-rounding"));
  const auto rounded = pack_gguf_weights(linear, GgufWeights::kQ2_0, true);
  ASSERT_TRUE(rounded.ok());
  EXPECT_NEAR(rounded->rounding, 0x1p-12, 1e-7);
  for (const float beyond : {1e6f, 1e-9f}) {
    linear.scale.values[200] = beyond;
    EXPECT_THAT(pack_gguf_weights(linear, GgufWeights::kQ2_0, true).status().message(),
                HasSubstr("beyond binary16"));
  }
}

TEST(GgufWeights, BytesAreAsDescribed) {
  const ModelSource source = test_source(test::block_config());
  const LinearSource& linear = source.layers[1].linear[4];
  const std::vector<int8_t> trits = all_trits(*linear.trits);
  const float scale = linear.scale.values[0];
  const auto packed = pack_gguf_weights(linear, GgufWeights::kI2S, false);
  ASSERT_TRUE(packed.ok());
  EXPECT_EQ(packed->bytes.size(), gguf_weights_bytes(linear, GgufWeights::kI2S));
  std::string expected = test::i2s_bytes(trits, linear.trits->cols(), I2sLayout::k128, scale);
  std::fill(expected.end() - 28, expected.end(), '\0');
  EXPECT_EQ(std::string(packed->bytes.begin(), packed->bytes.end()), expected);
  EXPECT_EQ(packed->sha256, matrix_sha256(*linear.trits));
}

}  // namespace
}  // namespace rotor
