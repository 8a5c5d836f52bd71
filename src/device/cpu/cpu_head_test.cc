// SPDX-License-Identifier: Apache-2.0
// Logits of every element type.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "device/cpu/test_ops.h"
#include "model/float_rows.h"

namespace rotor {
namespace {

constexpr FloatType kTypes[] = {FloatType::kF32, FloatType::kF16, FloatType::kBf16,
                                FloatType::kQ8_0, FloatType::kQ6K, FloatType::kQ4_0,
                                FloatType::kQ4K};

TestModelOptions stored_as(FloatType type) {
  TestModelOptions options;
  options.embed = type;
  return options;
}

// Whole blocks of every type: 256 columns.
ModelConfig config_of(bool tied) {
  ModelConfig config = test_config();
  config.hidden = 256;
  config.tied_head = tied;
  return config;
}

std::vector<float> row_of(const FloatMatrix& matrix, size_t row) {
  std::vector<float> out(matrix.cols);
  decode_row(matrix.type, matrix.row(row), matrix.cols, kernel_table(IsaLevel::kScalar).from_f16,
             out.data());
  return out;
}

TEST(CpuHead, LogitsAreProductsWithTheNormedRow) {
  for (const FloatType type : kTypes) {
    for (const bool tied : {true, false}) {
      const ModelConfig c = config_of(tied);
      TestOps t(c, stored_as(type), 3);
      t.begin({0, 1, 2});
      t.batch.rows[1].wants_logits = false;
      t.ops.embed(t.batch);
      ASSERT_EQ(t.ops.logit_rows(), (std::vector<size_t>{0, 2}));
      const std::vector<float> x = t.random_floats(3 * c.hidden);
      std::copy(x.begin(), x.end(), t.ws.x);
      t.ops.logits();
      for (size_t i = 0; i < 2; ++i) {
        const float* row = &x[t.ops.logit_rows()[i] * c.hidden];
        double squares = 0;
        for (size_t j = 0; j < c.hidden; ++j) {
          squares += double{row[j]} * row[j];
        }
        const double factor =
            1 / std::sqrt(squares / static_cast<double>(c.hidden) + double{c.rms_eps});
        for (size_t token = 0; token < c.vocab; ++token) {
          const std::vector<float> w = row_of(t.model->weights.head_matrix(), token);
          double logit = 0;
          double size = 0;
          for (size_t j = 0; j < c.hidden; ++j) {
            const double term =
                double{w[j]} * row[j] * factor * double{t.model->weights.output_norm[j]};
            logit += term;
            size += std::abs(term);
          }
          EXPECT_NEAR(t.ws.logits[i * c.vocab + token], logit, 1e-6 * size)
              << "type " << int(type) << ", tied " << tied << ", token " << token;
        }
      }
      EXPECT_TRUE(t.ops.status().ok());
    }
  }
}

// A row that wants no more than its hidden values costs no head and changes no other row.
TEST(CpuHead, HiddenValuesAlone) {
  const ModelConfig c = config_of(true);
  TestOps t(c, {}, 3);
  const auto compute = [&](bool alone) {
    t.begin({0, 1, 2});
    t.batch.rows[1].hidden_alone = alone;
    t.ops.embed(t.batch);
    t.ops.logits();
    EXPECT_TRUE(t.ops.status().ok());
  };
  const auto copy = [](auto span) { return std::vector<float>(span.begin(), span.end()); };
  compute(false);
  const std::vector<float> last = copy(t.ops.row_logits(2).all);
  const std::vector<float> hidden = copy(t.ops.hidden_row(1));
  std::vector<float> expected(c.hidden);
  kernel_table(IsaLevel::kScalar)
      .rms_norm(t.ws.x + c.hidden, t.model->weights.output_norm.data(), c.hidden, c.rms_eps,
                expected.data());
  EXPECT_EQ(hidden, expected);
  compute(true);
  EXPECT_EQ(copy(t.ops.hidden_row(1)), expected);
  EXPECT_TRUE(t.ops.row_logits(1).all.empty());
  EXPECT_EQ(copy(t.ops.row_logits(2).all), last);
  t.begin({0});
  t.batch.rows[0].hidden_alone = true;
  t.ops.embed(t.batch);
  t.ws.x[3] = INFINITY;
  t.ops.logits();
  EXPECT_EQ(t.ops.status().code(), Code::kNotFinite);
}

}  // namespace
}  // namespace rotor
