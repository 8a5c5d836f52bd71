// SPDX-License-Identifier: Apache-2.0
// The layout of I2_S that the weights show: planted structure is found in every layout, random
// weights show nothing, and evidence that is thin or at odds is not taken.
#include "model/i2s_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "model/test_files.h"

namespace rotor {
namespace {

using testing::HasSubstr;

constexpr I2sLayout kAll[] = {I2sLayout::k128, I2sLayout::k64, I2sLayout::k1x4};
constexpr size_t kHidden = 256;
constexpr size_t kFfn = 512;
constexpr size_t kLayers = 3;

// How the weights of the planted model depend on each other.
struct Plant {
  double gains = 0.0;  // how far the share of zeros in a column follows the gain, 0 to 1
  size_t dead = 0;     // channels that are dead in each layer
};

class Planted {
 public:
  Planted(I2sLayout layout, Plant plant) : layout_(layout), plant_(plant) {
    for (size_t layer = 0; layer < kLayers; ++layer) {
      const std::string prefix = "blk." + std::to_string(layer) + ".";
      const std::vector<float> attn = gains(prefix + "attn_norm", kHidden);
      const std::vector<float> attn_sub = gains(prefix + "attn_sub_norm", kHidden);
      const std::vector<float> ffn = gains(prefix + "ffn_norm", kHidden);
      const std::vector<float> ffn_sub = gains(prefix + "ffn_sub_norm", kFfn);
      matrix(prefix + "attn_q", kHidden, attn, {}, {});
      matrix(prefix + "attn_k", kHidden, attn, {}, {});
      matrix(prefix + "attn_v", kHidden, attn, {}, {});
      matrix(prefix + "attn_output", kHidden, attn_sub, {}, {});
      std::vector<size_t> dead(plant_.dead);
      for (size_t& channel : dead) {
        channel = random_() % kFfn;
      }
      matrix(prefix + "ffn_gate", kFfn, ffn, dead, {});
      matrix(prefix + "ffn_up", kFfn, ffn, {}, {});
      matrix(prefix + "ffn_down", kHidden, ffn_sub, {}, dead);
    }
  }

  I2sChoice probe() const {
    auto file = GgufFile::parse(File::from_memory(file_.bytes(), "t.gguf"));
    EXPECT_TRUE(file.ok()) << file.status().message();
    auto choice = probe_i2s_layout(*file, kLayers);
    EXPECT_TRUE(choice.ok()) << choice.status().message();
    return *choice;
  }

 private:
  std::vector<float> gains(const std::string& name, size_t size) {
    std::vector<float> values(size);
    std::uniform_real_distribution<float> any(0.1f, 2.0f);
    std::string content;
    for (float& value : values) {
      value = any(random_);
      test::put(content, value);
    }
    file_.add_tensor(name + ".weight", {size}, kGgufF32, content);
    return values;
  }
  void matrix(const std::string& name, size_t rows, const std::vector<float>& gains,
              const std::vector<size_t>& dead_rows, const std::vector<size_t>& dead_cols) {
    const size_t cols = gains.size();
    std::vector<int8_t> trits(rows * cols);
    std::uniform_real_distribution<double> any(0.0, 1.0);
    for (size_t i = 0; i < trits.size(); ++i) {
      const double live = 0.6 - 0.3 * plant_.gains * (gains[i % cols] - 1.05);
      trits[i] = static_cast<int8_t>(any(random_) > live ? 0 : any(random_) < 0.5 ? -1 : 1);
    }
    for (const size_t row : dead_rows) {
      std::fill_n(trits.begin() + static_cast<ptrdiff_t>(row * cols), cols, 0);
    }
    for (const size_t col : dead_cols) {
      for (size_t row = 0; row < rows; ++row) {
        trits[row * cols + col] = 0;
      }
    }
    file_.add_tensor(name + ".weight", {cols, rows}, kGgufI2S,
                     test::i2s_bytes(trits, cols, layout_, 1.0f));
  }

  I2sLayout layout_;
  Plant plant_;
  std::mt19937 random_{7};
  test::GgufBytes file_;
};

TEST(I2sProbe, GainsThatGoWithColumnsShowTheLayout) {
  for (const I2sLayout layout : kAll) {
    for (const double strength : {1.0, 0.3}) {
      const I2sChoice choice = Planted(layout, {strength, 0}).probe();
      EXPECT_EQ(choice.by, I2sChoice::By::kWeights);
      EXPECT_EQ(choice.layout, layout);
      EXPECT_THAT(i2s_choice_text(choice), HasSubstr("I2_S layout " +
                                                     std::string(i2s_layout_name(layout)) +
                                                     ": the weights show it"));
    }
  }
}

TEST(I2sProbe, DeadChannelsShowTheLayout) {
  for (const I2sLayout layout : kAll) {
    const I2sChoice choice = Planted(layout, {0.0, 24}).probe();
    EXPECT_EQ(choice.by, I2sChoice::By::kWeights) << i2s_choice_text(choice);
    EXPECT_EQ(choice.layout, layout);
    const I2sEvidence& right = choice.evidence[static_cast<size_t>(layout)];
    EXPECT_EQ(right.dead_both, right.dead_columns);
    EXPECT_EQ(right.dead_both, right.dead_rows);
    EXPECT_GT(right.dead_both, 60u);
  }
}

TEST(I2sProbe, RandomWeightsShowNothing) {
  for (const I2sLayout layout : kAll) {
    const I2sChoice choice = Planted(layout, {}).probe();
    EXPECT_EQ(choice.by, I2sChoice::By::kDefault);
    EXPECT_EQ(choice.layout, I2sLayout::k128);
    EXPECT_THAT(i2s_choice_text(choice),
                testing::AllOf(HasSubstr("I2_S layout 128: assumed"), HasSubstr("--i2s-layout")));
    for (const I2sEvidence& evidence : choice.evidence) {
      EXPECT_EQ(evidence.norms, 4 * kLayers);
      EXPECT_LT(evidence.gains, 25.0);  // 5 standard deviations
    }
  }
}

// A file without norms, or whose matrices are of other types, shows nothing and fails nothing.
TEST(I2sProbe, WithoutPartnersThereIsNoEvidence) {
  test::GgufBytes bytes;
  bytes.add_tensor("blk.0.attn_q.weight", {256, 16}, kGgufI2S,
                   test::i2s_bytes(test::random_trits(256 * 16), 256, I2sLayout::k64, 1.0f));
  bytes.add_tensor("blk.0.attn_norm.weight", {4}, kGgufF32, std::string(16, '\0'));
  const auto file = GgufFile::parse(File::from_memory(bytes.bytes(), "t.gguf"));
  const auto choice = probe_i2s_layout(*file, 1);
  ASSERT_TRUE(choice.ok()) << choice.status().message();
  EXPECT_EQ(choice->by, I2sChoice::By::kDefault);
  EXPECT_EQ(choice->layout, I2sLayout::k128);
}

TEST(I2sProbe, ThinOrContradictingEvidenceIsNotTaken) {
  const auto chosen = [](double a, double b, double c, std::array<size_t, 3> dead = {}) {
    std::array<I2sEvidence, kI2sLayouts> evidence;
    const double gains[] = {a, b, c};
    for (size_t l = 0; l < kI2sLayouts; ++l) {
      evidence[l] = {gains[l], 16, dead[l], dead[l], dead[l]};
    }
    const I2sChoice choice = choose_i2s_layout(evidence);
    return choice.by == I2sChoice::By::kDefault ? "default" : i2s_layout_name(choice.layout);
  };
  EXPECT_EQ(chosen(1600, 270, 40), "128");
  EXPECT_EQ(chosen(270, 1600, 40), "64");
  EXPECT_EQ(chosen(20, 30, 1600), "1x4");
  EXPECT_EQ(chosen(600, 1600, 40), "default");   // less than three times
  EXPECT_EQ(chosen(1, 50, 2), "default");        // less than ten standard deviations
  EXPECT_EQ(chosen(0, 0, 0, {3, 40, 2}), "64");
  EXPECT_EQ(chosen(0, 0, 0, {3, 12, 2}), "default");
  EXPECT_EQ(chosen(0, 0, 0, {30, 40, 2}), "default");
  EXPECT_EQ(chosen(1600, 270, 40, {3, 40, 2}), "default");
  EXPECT_EQ(chosen(270, 1600, 40, {3, 40, 2}), "64");
  EXPECT_EQ(choose_i2s_layout({}).by, I2sChoice::By::kDefault);
}

// Matrices that are not what they say fail as they do when they are read.
TEST(I2sProbe, DamageIsAnError) {
  const std::string good = test::i2s_bytes(test::random_trits(256 * 16), 256, I2sLayout::k128, 1.0f);
  const auto probe = [](const std::string& content) {
    test::GgufBytes bytes;
    std::string gains;
    for (size_t i = 0; i < 256; ++i) {
      test::put(gains, static_cast<float>(i));
    }
    bytes.add_tensor("blk.0.attn_output.weight", {256, 16}, kGgufI2S, content);
    bytes.add_tensor("blk.0.attn_sub_norm.weight", {256}, kGgufF32, gains);
    const auto file = GgufFile::parse(File::from_memory(bytes.bytes(), "t.gguf"));
    return probe_i2s_layout(*file, 1).status();
  };
  EXPECT_TRUE(probe(good).ok());
  std::string code = good;
  code[100] = '\x03';
  EXPECT_THAT(probe(code).message(), HasSubstr("holds code 3"));
  EXPECT_THAT(probe(good.substr(0, 256)).message(), HasSubstr("blk.0.attn_output.weight"));
}

}  // namespace
}  // namespace rotor
