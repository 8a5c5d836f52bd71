// SPDX-License-Identifier: Apache-2.0
#include "model/synthetic_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace rotor {
namespace {

std::vector<int8_t> read_block(const TritReader& reader, size_t block) {
  std::vector<int8_t> trits(kTileRows * reader.cols());
  EXPECT_TRUE(reader.read(block, block + 1, trits.data()).ok());
  return trits;
}

TEST(Synthetic, TheSameSeedGivesTheSameModel) {
  const auto a = synthetic_source("tiny", 7);
  const auto b = synthetic_source("tiny", 7);
  const auto c = synthetic_source("tiny", 8);
  ASSERT_TRUE(a.ok() && b.ok() && c.ok());
  const auto block = [](const auto& s) { return read_block(*s->layers[1].linear[2].trits, 3); };
  EXPECT_EQ(block(a), block(b));
  EXPECT_NE(block(a), block(c));
}

TEST(Synthetic, GroupsHaveScalesOfTheirOwn) {
  const auto source = synthetic_source("tiny-g128", 3);
  ASSERT_TRUE(source.ok());
  const LinearSource& down = source->layers[2].linear[6];
  EXPECT_EQ(down.scale.group, (GroupShape{128, GroupScaleType::kF16}));
  const size_t groups = down.scale.group.groups(down.trits->cols());
  std::vector<float> scales(2 * kTileRows * groups);
  ASSERT_TRUE(down.group_scales->read(3, 5, scales.data()).ok());
  std::vector<std::byte> packed(scales.size() * 2);
  EXPECT_TRUE(store_group_scales(GroupScaleType::kF16, scales.data(), scales.size(), packed.data()));
  EXPECT_NE(scales[0], scales[1]);
  std::vector<float> second(kTileRows * groups);
  ASSERT_TRUE(down.group_scales->read(4, 5, second.data()).ok());
  EXPECT_TRUE(std::equal(second.begin(), second.end(), scales.begin() + kTileRows * groups));
}

// Half of the trits are zero, and the direct way to i2 gives what read() gives.
TEST(Synthetic, PackingIsReadingAndPacking) {
  const auto source = synthetic_source("tiny", 0);
  ASSERT_TRUE(source.ok());
  for (const LinearSource& linear : source->layers[0].linear) {
    const TritReader& reader = *linear.trits;
    const std::vector<int8_t> trits = read_block(reader, 1);
    const auto zeros = static_cast<double>(std::count(trits.begin(), trits.end(), 0));
    EXPECT_NEAR(zeros / static_cast<double>(trits.size()), 0.5, 0.05);
    for (size_t f = 0; f < kTernaryFormats; ++f) {
      const TernaryFormat format = static_cast<TernaryFormat>(f);
      std::vector<uint8_t> direct(row_block_bytes(format, reader.cols()));
      std::vector<uint8_t> expected(direct.size());
      ASSERT_TRUE(reader.pack(1, 2, format, direct.data()).ok());
      format_info(format).pack_row_block(trits.data(), reader.cols(), reader.cols(),
                                         expected.data());
      EXPECT_EQ(direct, expected) << linear.tensor;
    }
  }
}

TEST(Synthetic, ShapesHaveTheSizesOfTheirModels) {
  const std::map<std::string, std::pair<uint64_t, uint64_t>> parameters = {
      {"bitnet-2b-4t", {2084044800, 328335360}},   {"llama3-8b", {6979321856, 2 * 525336576ull}},
      {"falcon3-10b", {9500098560, 2 * 402653184ull}}, {"bitnet-70b", {68451041280, 1050673152}},
      {"bitnet-100b", {99958652928, 262160384}},   {"tiny", {2949120, 262144}},
      {"bitnet-2b-4t-g128", {2084044800, 328335360}}, {"tiny-g128", {2949120, 262144}},
      {"maple-20b-a1b", {19579011072, 2 * 311164928ull}}};
  ASSERT_EQ(synthetic_names().size(), parameters.size());
  for (const std::string& name : synthetic_names()) {
    const auto source = synthetic_source(name, 0);
    ASSERT_TRUE(source.ok());
    const ModelConfig& config = source->config;
    EXPECT_TRUE(validate(config).ok()) << name;
    EXPECT_EQ(ternary_parameters(config), parameters.at(name).first) << name;
    EXPECT_EQ(embedding_parameters(config), parameters.at(name).second) << name;
    EXPECT_EQ(source->head.has_value(), !config.tied_head) << name;
    for (const LayerSource& layer : source->layers) {
      EXPECT_EQ(layer.attn_sub_norm.empty(), !config.attn_sub_norm) << name;
      EXPECT_EQ(layer.router.has_value(), config.experts != 0) << name;
      EXPECT_EQ(layer.ffn_sub_norm.empty(), !config.ffn_sub_norm) << name;
      for (size_t role = 0; role < kLinearRoles; ++role) {
        const MatrixShape shape = linear_shape(config, static_cast<LinearRole>(role));
        EXPECT_EQ(layer.linear[role].trits->rows(), shape.rows) << name;
        EXPECT_EQ(layer.linear[role].trits->cols(), shape.cols) << name;
      }
    }
  }
}

TEST(Synthetic, AnUnknownNameListsTheKnownOnes) {
  const auto source = synthetic_source("huge", 0);
  EXPECT_EQ(source.status().code(), Code::kNotFound);
  for (const std::string& name : synthetic_names()) {
    EXPECT_THAT(source.status().message(), testing::HasSubstr(name));
  }
}

}  // namespace
}  // namespace rotor
