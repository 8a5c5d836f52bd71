// SPDX-License-Identifier: Apache-2.0
#include "model/conversion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/family.h"
#include "model/test_conversion.h"

namespace rotor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Granularity = TernaryScale::Granularity;

TEST(ReadScales, SpreadsWhatTheMatrixHas) {
  ModelConfig config = test_config();
  config.ffn = 200;  // `down` has groups of 64, 64, 64 and 8 columns
  ModelSource one = test_source(config);
  ModelSource rows = test_source(config, {.scale = Granularity::kRow});
  ModelSource groups = test_source(config, {.scale = Granularity::kGroup});
  const size_t down = static_cast<size_t>(LinearRole::kDown);
  const LinearSource& tensor = one.layers[0].linear[down];
  const LinearSource& per_row = rows.layers[0].linear[down];
  const LinearSource& grouped = groups.layers[0].linear[down];
  EXPECT_EQ(scale_group_cols(tensor), 200u);
  EXPECT_EQ(scale_group_cols(grouped), 64u);

  std::vector<float> scales(16 * 7);  // groups of 32 columns of rows 32 to 47, of which 40 exist
  ASSERT_TRUE(read_scales(tensor, 32, 2, 3, scales.data()).ok());
  EXPECT_THAT(scales, testing::Each(tensor.scale.values[0]));
  ASSERT_TRUE(read_scales(per_row, 32, 2, 3, scales.data()).ok());
  EXPECT_EQ(scales[7 * 7 + 6], per_row.scale.values[39]);
  EXPECT_EQ(scales[8 * 7], 0.0f);
  ASSERT_TRUE(read_scales(grouped, 32, 2, 3, scales.data()).ok());
  const std::vector<float> all = all_group_scales(grouped);
  for (size_t g = 0; g < 7; ++g) {
    EXPECT_EQ(scales[7 * 7 + g], all[39 * 4 + g / 2]);
  }
}

TEST(ForEachRowBlock, HashesTheTritsOnce) {
  const ModelSource source = test_source(test_config());
  const TritReader& reader = *source.layers[0].linear[0].trits;
  std::vector<int8_t> seen;
  const auto hash = for_each_row_block(reader, [&](size_t, size_t rows, const int8_t* trits) {
    seen.insert(seen.end(), trits, trits + rows * reader.cols());
    return Status();
  });
  ASSERT_TRUE(hash.ok());
  EXPECT_EQ(seen, all_trits(reader));
  EXPECT_EQ(*hash, matrix_sha256(reader));
}

TEST(Conversion, HashesAsTheChecksumAsks) {
  const ModelSource source = test_source(test_config());
  ThreadPool pool(3);
  const ProgressCallback none;
  Conversion conversion(source, pool, none, nullptr);
  std::vector<size_t> layers;
  const Status status = conversion.convert_layers(
      [&](size_t i, LinearRole role) -> Result<PackedMatrix> {
        PackedMatrix packed;
        packed.rounding = i == 1 && role == LinearRole::kUp ? 0.25 : 0.125;
        ROTOR_ASSIGN(packed.sha256,
                     for_each_row_block(*source.layers[i].linear[static_cast<size_t>(role)].trits,
                                        [](size_t, size_t, const int8_t*) { return Status(); }));
        return packed;
      },
      [&](size_t i, std::span<const PackedMatrix> packed) {
        layers.push_back(i);
        EXPECT_EQ(packed.size(), kLinearRoles);
        return Status();
      });
  ASSERT_TRUE(status.ok());
  EXPECT_THAT(layers, ElementsAre(0, 1));
  EXPECT_EQ(conversion.rounding(), 0.25);
  EXPECT_EQ(conversion.trits_sha256(), test::trits_sha256(source));
}

TEST(Conversion, LayersAreThoseOfTheFamily) {
  for (const Family& family : families()) {
    const auto refusal = [&](auto change) {
      ModelConfig config = config_of(family);
      change(config);
      const Status status = check_family_layers(config, "X");
      EXPECT_EQ(status.code(), Code::kUnsupported);
      return status.message();
    };
    if (!is_exported(family)) {
      EXPECT_THAT(refusal([](ModelConfig&) {}), HasSubstr("of family '" + std::string(family.name)));
      continue;
    }
    EXPECT_TRUE(check_family_layers(config_of(family), "X").ok());
    EXPECT_THAT(refusal([](ModelConfig& c) { c.attn_sub_norm = !c.attn_sub_norm; }),
                HasSubstr("inner norms cannot be written; a .rotor file can hold it"));
    EXPECT_THAT(refusal([](ModelConfig& c) { c.ffn_sub_norm = !c.ffn_sub_norm; }),
                HasSubstr("X: a model of family '" + std::string(family.name)));
    EXPECT_THAT(refusal([](ModelConfig& c) { c.qk_norm = !c.qk_norm; }), HasSubstr("norms of heads"));
    EXPECT_THAT(refusal([](ModelConfig& c) { c.global_unturned = !c.global_unturned; }),
                HasSubstr("of Maple's layers"));
    if (family.experts) {
      continue;
    }
    EXPECT_THAT(refusal([](ModelConfig& c) { c.experts = 4; }), HasSubstr("with parts of Maple's layers"));
    EXPECT_THAT(refusal([](ModelConfig& c) { c.attention_window = 7; }), HasSubstr("window of 7"));
  }
}

TEST(Conversion, CollectsEndTokens) {
  ModelSource source = test_source(test_config());
  source.end_of_generation = {9, 3};
  source.tokenizer.emplace();
  source.tokenizer->eos = 9;
  source.tokenizer->end_of_generation = {5};
  EXPECT_THAT(end_tokens(source), ElementsAre(3, 5, 9));
}

}  // namespace
}  // namespace rotor
