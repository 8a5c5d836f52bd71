// SPDX-License-Identifier: Apache-2.0
// The trit checksum: what it is computed from, what it must not depend on, and what it must see.
#include "model/trit_hash.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <span>

#include "base/sha256.h"
#include "model/test_model.h"
#include "model/test_packed_trits.h"

namespace rotor {
namespace {

TritStatistics statistics(const ModelSource& source, size_t threads = 2) {
  ThreadPool pool(threads);
  auto result = trit_statistics(source, pool, {});
  EXPECT_TRUE(result.ok()) << result.status().message();
  return *std::move(result);
}

TEST(TritHash, IsTheHashOfTheHashesOfTheMatrices) {
  const ModelSource source = test_source(test_config());
  const TritStatistics found = statistics(source);
  std::string all;
  size_t matrix = 0;
  for (const LayerSource& layer : source.layers) {
    for (const LinearSource& linear : layer.linear) {
      const std::string expected = matrix_sha256(*linear.trits);
      EXPECT_EQ(found.matrix_sha256[matrix++], expected) << linear.tensor;
      all += expected;
    }
  }
  EXPECT_EQ(found.sha256, sha256_hex(std::as_bytes(std::span(all))));
}

// q of the test model, 48 x 40, fits every layout.
TEST(TritHash, DoesNotDependOnTheLayoutOfTheFile) {
  ModelSource source = test_source(test_config());
  const std::string expected = statistics(source).sha256;
  LinearSource& q = source.layers[1].linear[static_cast<size_t>(LinearRole::kQ)];
  const size_t rows = q.trits->rows();
  const size_t cols = q.trits->cols();
  const std::vector<int8_t> trits = all_trits(*q.trits);
  for (const I2sLayout layout : test::kI2sLayouts) {
    q.trits = test::i2s_reader(test::i2s_bytes(trits, cols, layout, 1.0f), rows, cols, layout);
    EXPECT_EQ(statistics(source).sha256, expected) << i2s_layout_name(layout);
  }
  q.trits = test::hf_packed_reader(test::hf_packed_bytes(trits, cols), rows, cols);
  EXPECT_EQ(statistics(source).sha256, expected);
}

TEST(TritHash, DoesNotDependOnThreads) {
  const ModelSource source = test_source(test_config());
  const TritStatistics one = statistics(source, 1);
  const TritStatistics three = statistics(source, 3);
  EXPECT_EQ(one.sha256, three.sha256);
  EXPECT_EQ(one.matrix_sha256, three.matrix_sha256);
  EXPECT_EQ(one.histogram, three.histogram);
}

// A matrix that is read in several runs, the last of them with a part of a row block.
TEST(TritHash, LargeMatricesAreHashedWhole) {
  constexpr size_t kRows = 2003;
  constexpr size_t kCols = 1100;
  ModelSource source = test_source(test_config());
  LinearSource& v = source.layers[0].linear[2];
  v.trits = std::make_unique<VectorTrits>(kRows, kCols, test::random_trits(kRows * kCols));
  EXPECT_EQ(statistics(source).matrix_sha256[2], matrix_sha256(*v.trits));
}

TEST(TritHash, SeesOneTritAndTheOrderOfMatrices) {
  const ModelConfig config = test_config();
  const TritStatistics before = statistics(test_source(config));

  ModelSource changed = test_source(config);
  LinearSource& down = changed.layers[1].linear[static_cast<size_t>(LinearRole::kDown)];
  std::vector<int8_t> trits = all_trits(*down.trits);
  trits.back() = trits.back() == 1 ? 0 : 1;
  replace_trits(down, trits);
  const TritStatistics after = statistics(changed);
  EXPECT_NE(after.sha256, before.sha256);
  for (size_t i = 0; i < before.matrix_sha256.size(); ++i) {
    EXPECT_EQ(after.matrix_sha256[i] == before.matrix_sha256[i], i != 13) << i;
  }

  ModelSource swapped = test_source(config);
  std::swap(swapped.layers[0].linear[static_cast<size_t>(LinearRole::kK)],
            swapped.layers[0].linear[static_cast<size_t>(LinearRole::kV)]);
  EXPECT_NE(statistics(swapped).sha256, before.sha256);
}

TEST(TritHash, CountsTrits) {
  ModelSource source = test_source(test_config());
  std::vector<int8_t> trits(24 * 40, 0);
  trits[3] = 1;
  trits[959] = trits[17] = -1;
  replace_trits(source.layers[0].linear[1], trits);
  replace_trits(source.layers[1].linear[1], std::vector<int8_t>(24 * 40, 0));
  const TritStatistics found = statistics(source);
  EXPECT_EQ(found.histogram[1], (std::array<uint64_t, 3>{2, 957, 1}));
  EXPECT_FALSE(found.all_zero(0, LinearRole::kK));
  EXPECT_TRUE(found.all_zero(1, LinearRole::kK));
  EXPECT_EQ(found.total[0] + found.total[1] + found.total[2], ternary_parameters(source.config));
}

// A channel is dead by its row of gate, its row of up, or its column of down, and counts once.
TEST(TritHash, FindsDeadChannels) {
  ModelSource source = test_source(test_config());
  const size_t hidden = source.config.hidden;
  const size_t ffn = source.config.ffn;
  std::vector<int8_t> gate(ffn * hidden, 1);
  std::vector<int8_t> up = gate;
  std::vector<int8_t> down = gate;
  std::fill_n(gate.begin() + static_cast<ptrdiff_t>(2 * hidden), hidden, 0);
  std::fill_n(up.begin() + static_cast<ptrdiff_t>(3 * hidden), hidden, 0);
  up[5 * hidden] = 0;  // one weight of a row does not make it dead
  for (size_t row = 0; row < hidden; ++row) {
    down[row * ffn + 2] = 0;
    down[row * ffn + 4] = 0;
  }
  replace_trits(source.layers[1].linear[static_cast<size_t>(LinearRole::kGate)], gate);
  replace_trits(source.layers[1].linear[static_cast<size_t>(LinearRole::kUp)], up);
  replace_trits(source.layers[1].linear[static_cast<size_t>(LinearRole::kDown)], down);
  const TritStatistics found = statistics(source);
  EXPECT_THAT(dead_channels(found, source.layers.size()), testing::ElementsAre(0u, 3u));
}

// Each expert has channels of its own; a column of down is of all of them.
TEST(TritHash, FindsDeadChannelsOfExperts) {
  ModelSource source = test_source(experts_config());
  const size_t hidden = source.config.hidden;
  const size_t ffn = source.config.ffn;
  const size_t all = source.config.experts * ffn * hidden;
  std::vector<int8_t> gate(all, 1);
  std::vector<int8_t> down(all, 1);
  std::fill_n(gate.begin() + static_cast<ptrdiff_t>((ffn + 3) * hidden), hidden, 0);
  for (size_t row = 0; row < source.config.experts * hidden; ++row) {
    down[row * ffn + 3] = 0;
  }
  replace_trits(source.layers[0].linear[static_cast<size_t>(LinearRole::kGate)], gate);
  replace_trits(source.layers[0].linear[static_cast<size_t>(LinearRole::kUp)], std::vector<int8_t>(all, 1));
  const auto dead = [&] { return dead_channels(statistics(source), source.layers.size())[0]; };
  replace_trits(source.layers[0].linear[static_cast<size_t>(LinearRole::kDown)], std::vector<int8_t>(all, 1));
  EXPECT_EQ(dead(), 1u);
  replace_trits(source.layers[0].linear[static_cast<size_t>(LinearRole::kDown)], down);
  EXPECT_EQ(dead(), source.config.experts);
}

TEST(TritHash, EntropyOfCounts) {
  EXPECT_EQ(trit_entropy({0, 0, 0}), 0.0);
  EXPECT_EQ(trit_entropy({0, 9, 0}), 0.0);
  EXPECT_EQ(trit_entropy({5, 0, 5}), 1.0);
  EXPECT_EQ(trit_entropy({1, 2, 1}), 1.5);
  EXPECT_NEAR(trit_entropy({7, 7, 7}), 1.5849625, 1e-7);
}

TEST(TritHash, ReportsProgressAndTheFirstFailure) {
  ModelSource source = test_source(test_config());
  ThreadPool pool(3);
  std::vector<uint64_t> done;
  const auto progress = [&](std::string_view, uint64_t now, uint64_t total) {
    EXPECT_EQ(total, 14u);
    done.push_back(now);
  };
  ASSERT_TRUE(trit_statistics(source, pool, progress).ok());
  EXPECT_THAT(done, testing::ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14));

  source.layers[1].linear[4].trits = std::make_unique<BrokenTrits>(56, 40, "later");
  source.layers[0].linear[5].trits = std::make_unique<BrokenTrits>(56, 40, "earlier");
  const auto failed = trit_statistics(source, pool, {});
  EXPECT_EQ(failed.status().code(), Code::kIoError);
  EXPECT_EQ(failed.status().message(), "earlier");
}

}  // namespace
}  // namespace rotor
