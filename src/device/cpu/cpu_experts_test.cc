// SPDX-License-Identifier: Apache-2.0
// The feed-forward block of experts against the formula, and that a row gets the same bits alone and beside
// others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "device/cpu/cpu_executor.h"
#include "device/cpu/test_ops.h"

namespace rotor {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr size_t kLayer = 1;

// One layer of a model in the formula, over its trits and floats.
class Formula {
 public:
  Formula(const ModelSource& source, bool int8) : c_(source.config), layer_(source.layers[kLayer]), int8_(int8) {
    std::vector<std::byte> bytes(c_.experts * c_.hidden * sizeof(float));
    EXPECT_TRUE(layer_.router->reader->read(0, c_.experts, bytes.data()).ok());
    router_.resize(c_.experts * c_.hidden);
    std::memcpy(router_.data(), bytes.data(), bytes.size());
    for (size_t r = 0; r < kLinearRoles; ++r) {
      trits_[r] = all_trits(*layer_.linear[r].trits);
    }
  }

  // x plus what the experts compute.
  std::vector<double> block(const std::vector<float>& x) const {
    double squares = 0;
    for (const float value : x) {
      squares += double{value} * value;
    }
    std::vector<double> normed(c_.hidden);
    for (size_t i = 0; i < c_.hidden; ++i) {
      normed[i] = x[i] / std::sqrt(squares / static_cast<double>(c_.hidden) + c_.rms_eps) * layer_.ffn_norm[i];
    }
    std::vector<double> logits(c_.experts);
    for (size_t e = 0; e < c_.experts; ++e) {
      for (size_t i = 0; i < c_.hidden; ++i) {
        logits[e] += double{router_[e * c_.hidden + i]} * normed[i];
      }
    }
    std::vector<size_t> order(c_.experts);
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return logits[a] > logits[b]; });
    double all = 0;
    for (size_t i = 0; i < c_.experts_used; ++i) {
      all += std::exp(logits[order[i]]);
    }
    std::vector<double> out(x.begin(), x.end());
    for (size_t i = 0; i < c_.experts_used; ++i) {
      const std::vector<double> part = expert(order[i], normed);
      for (size_t j = 0; j < c_.hidden; ++j) {
        out[j] += std::exp(logits[order[i]]) / all * part[j];
      }
    }
    return out;
  }

 private:
  std::vector<double> expert(size_t e, const std::vector<double>& x) const {
    const std::vector<double> gate = product(LinearRole::kGate, e, c_.ffn, x);
    const std::vector<double> up = product(LinearRole::kUp, e, c_.ffn, x);
    std::vector<double> h(c_.ffn);
    for (size_t i = 0; i < c_.ffn; ++i) {
      const double g = std::min(gate[i], double{c_.gate_limit});
      h[i] = g / (1 + std::exp(-g)) * std::clamp(up[i], -double{c_.gate_limit}, double{c_.gate_limit});
    }
    return product(LinearRole::kDown, e, c_.hidden, h);
  }

  std::vector<double> product(LinearRole role, size_t e, size_t rows, std::vector<double> x) const {
    double step = 1;
    if (int8_) {
      double most = 0;
      for (const double value : x) {
        most = std::max(most, std::abs(value));
      }
      step = 127 / most;
      for (double& value : x) {
        value = std::nearbyint(value * step) / step;
      }
    }
    const size_t r = static_cast<size_t>(role);
    std::vector<double> out(rows);
    for (size_t i = 0; i < rows; ++i) {
      const size_t row = e * rows + i;
      for (size_t c = 0; c < x.size(); ++c) {
        out[i] += trits_[r][row * x.size() + c] * x[c];
      }
      out[i] *= layer_.linear[r].scale.values[row];
    }
    return out;
  }

  const ModelConfig& c_;
  const LayerSource& layer_;
  bool int8_;
  std::vector<float> router_;
  std::vector<int8_t> trits_[kLinearRoles];
};

const TestModelOptions kRows = {FloatType::kBf16, TernaryScale::Granularity::kRow, 2};

TEST(CpuExperts, ComputesTheFormula) {
  for (const bool floats : {false, true}) {
    for (const size_t threads : {1, 3}) {
      ModelConfig config = experts_config();
      config.float_activations = floats;
      TestOps t(config, kRows, threads);
      t.begin({0, 1, 2, 3});
      const std::vector<float> x = t.random_floats(4 * config.hidden);
      std::copy(x.begin(), x.end(), t.ws.x);
      t.ops.route(kLayer);
      t.ops.ffn_gate_up(kLayer);
      t.ops.ffn_down(kLayer);
      ASSERT_TRUE(t.ops.status().ok()) << t.ops.status().message();
      const Formula formula(t.source, !floats);
      for (size_t b = 0; b < 4; ++b) {
        const auto row = x.begin() + static_cast<std::ptrdiff_t>(b * config.hidden);
        const std::vector<double> expected =
            formula.block({row, row + static_cast<std::ptrdiff_t>(config.hidden)});
        for (size_t i = 0; i < config.hidden; ++i) {
          // A value beside a boundary of int8 rounding may fall to its other side: a step of one weight.
          EXPECT_NEAR(t.ws.x[b * config.hidden + i], expected[i], floats ? 1e-6 : 2e-4) << b << ", " << i;
        }
      }
    }
  }
}

TEST(CpuExperts, GateAndUpAreBounded) {
  ModelConfig config = experts_config();
  std::vector<float> bounded;
  for (const float limit : {0.0f, 0.05f, 1000.0f}) {
    config.gate_limit = limit;
    TestOps t(config, kRows, 1);
    t.begin({0});
    const std::vector<float> x = t.random_floats(config.hidden);
    std::copy(x.begin(), x.end(), t.ws.x);
    t.ops.route(kLayer);
    t.ops.ffn_gate_up(kLayer);
    t.ops.ffn_down(kLayer);
    const std::vector<float> got(t.ws.x, t.ws.x + config.hidden);
    if (limit == 0.0f) {
      bounded = got;
    } else {
      EXPECT_EQ(got == bounded, limit == 1000.0f);
    }
  }
}

// `rows` of a batch on three threads against each on one.
void expect_same_bits_alone(const ModelConfig& config, const TestModelOptions& options, size_t rows) {
  TestOps together(config, options, 3, KvType::kF32, rows);
  TestOps alone(config, options, 1, KvType::kF32, 1);
  std::vector<size_t> positions(rows);
  std::iota(positions.begin(), positions.end(), size_t{0});
  const std::vector<float> x = together.random_floats(rows * config.hidden);
  const auto compute = [&](TestOps& t, size_t first, size_t count) {
    t.begin({positions.begin(), positions.begin() + static_cast<std::ptrdiff_t>(count)});
    std::copy_n(x.data() + first * config.hidden, count * config.hidden, t.ws.x);
    t.ops.route(kLayer);
    t.ops.ffn_gate_up(kLayer);
    t.ops.ffn_down(kLayer);
    EXPECT_TRUE(t.ops.status().ok());
    return std::vector<float>(t.ws.x, t.ws.x + count * config.hidden);
  };
  const std::vector<float> all = compute(together, 0, rows);
  for (size_t b = 0; b < rows; ++b) {
    const auto row = all.begin() + static_cast<std::ptrdiff_t>(b * config.hidden);
    EXPECT_EQ(compute(alone, b, 1),
              std::vector<float>(row, row + static_cast<std::ptrdiff_t>(config.hidden))) << b;
  }
}

TEST(CpuExperts, ARowHasTheSameBitsAloneAndBesideOthers) {
  for (const auto granularity : {TernaryScale::Granularity::kRow, TernaryScale::Granularity::kGroup}) {
    ModelConfig config = experts_config();
    config.hidden = 272;
    expect_same_bits_alone(config, {FloatType::kBf16, granularity, 2, {64, GroupScaleType::kF32}}, 40);
  }
  ModelConfig single = experts_config();  // whose rows are more than the sums of a thread hold
  single.experts = single.experts_used = 1;
  expect_same_bits_alone(single, kRows, 2 * kAccAtOnce / 80);
}

TEST(CpuExperts, AnActivationThatIsNotFiniteIsSaidWithItsPlace) {
  for (const float bad : {HUGE_VALF, std::nanf("")}) {
    TestOps t(experts_config(), kRows, 2);
    t.begin({0, 1, 2});
    std::fill_n(t.ws.x, 3 * t.source.config.hidden, 1.0f);
    t.ws.x[t.source.config.hidden + 5] = bad;
    t.ops.route(kLayer);
    t.ops.ffn_gate_up(kLayer);
    t.ops.ffn_down(kLayer);
    EXPECT_EQ(t.ops.status().code(), Code::kNotFinite);
    EXPECT_THAT(t.ops.status().message(), AllOf(HasSubstr("position 1"), HasSubstr("layer 1, input of gate_up")));
  }
}

// Finite, but its products overflow in what chooses the experts.
TEST(CpuExperts, ALogitOfTheRouterThatOverflowsIsSaid) {
  TestOps t(experts_config(), kRows, 2);
  auto* const router = reinterpret_cast<float*>(
      const_cast<std::byte*>(t.model->weights.layers[kLayer].router.data.data()));
  router[3] = 3e38f;
  router[4] = 3e38f;
  t.begin({0});
  std::fill_n(t.ws.x, t.source.config.hidden, 1.0f);
  t.ws.x[3] = t.ws.x[4] = 40.0f;
  t.ops.route(kLayer);
  t.ops.ffn_gate_up(kLayer);
  t.ops.ffn_down(kLayer);
  EXPECT_EQ(t.ops.status().code(), Code::kNotFinite);
}

}  // namespace
}  // namespace rotor
