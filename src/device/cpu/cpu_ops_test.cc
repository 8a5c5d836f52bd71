// SPDX-License-Identifier: Apache-2.0
// The verbs around the ternary products against their formulas, from the int8 inputs that a trace
// hook saw.
#include "device/cpu/cpu_ops.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>
#include <utility>

#include "device/cpu/test_ops.h"

namespace rotor {
namespace {

constexpr size_t kLayer = 1;
constexpr size_t kRows = 3;

// Keeps the int8 inputs of the last verb, and of each kind of input the last.
class InputKeeper : public TraceHook {
 public:
  void quantized(size_t, LinearInput input, size_t rows, size_t cols, int8_t* q, size_t stride,
                 float* scale) override {
    inputs.clear();
    for (size_t row = 0; row < rows; ++row) {
      inputs.emplace_back(q + row * stride, q + row * stride + cols);
    }
    scales.assign(scale, scale + rows);
    kept[input] = {inputs, scales};
  }
  // Makes an earlier input the last.
  void look_at(LinearInput input) { std::tie(inputs, scales) = kept.at(input); }
  void accumulated(size_t, LinearRole, size_t, size_t, const int32_t*, size_t) override {}

  std::vector<std::vector<int8_t>> inputs;
  std::vector<float> scales;
  std::map<LinearInput, std::pair<std::vector<std::vector<int8_t>>, std::vector<float>>> kept;
};

struct Fixture {
  Fixture(TernaryScale::Granularity granularity, Activation activation, size_t threads,
          bool input_norms = false)
      : t(config_with(activation, input_norms), {FloatType::kBf16, granularity, 1}, threads) {
    t.ops.set_trace(&hook);
    t.begin({0, 1, 2});
  }

  static ModelConfig config_with(Activation activation, bool input_norms) {
    ModelConfig config = test_config();
    config.activation = activation;
    config.input_norms = input_norms;
    config.attn_sub_norm = !input_norms;
    config.ffn_sub_norm = !input_norms;
    config.ffn = 200;  // groups of 64, 64, 64 and 8 columns
    return config;
  }

  // W x of a matrix of the layer for the kept inputs, (kRows, rows).
  std::vector<double> product(LinearRole role) const {
    const LinearSource& linear = t.source.layers[kLayer].linear[static_cast<size_t>(role)];
    const std::vector<int8_t> trits = all_trits(*linear.trits);
    const size_t cols = linear.trits->cols();
    const size_t groups = linear.scale.grouped() ? linear.scale.group.groups(cols) : 1;
    const std::vector<float> scales =
        linear.scale.grouped() ? all_group_scales(linear) : linear.scale.values;
    std::vector<double> out;
    for (size_t row = 0; row < kRows; ++row) {
      for (size_t r = 0; r < linear.trits->rows(); ++r) {
        double sum = 0;
        for (size_t i = 0; i < cols; ++i) {
          const size_t g = groups == 1 ? 0 : i / linear.scale.group.cols;
          const size_t scale = scales.size() == 1 ? 0 : r * groups + g;
          sum += trits[r * cols + i] * hook.inputs[row][i] * double{scales[scale]};
        }
        out.push_back(sum / double{hook.scales[row]});
      }
    }
    return out;
  }

  // The int8 form of each row of norm(x) * weight, whose codes may be one off where x lies between two.
  void check_inputs(const std::vector<float>& x, const std::vector<float>& weight) const {
    const size_t cols = weight.size();
    for (size_t row = 0; row < kRows; ++row) {
      double squares = 0;
      for (size_t i = 0; i < cols; ++i) {
        squares += double{x[row * cols + i]} * x[row * cols + i];
      }
      const double eps = double{t.model->config.rms_eps};
      const double rms = std::sqrt(squares / static_cast<double>(cols) + eps);
      for (size_t i = 0; i < cols; ++i) {
        const double y = double{x[row * cols + i]} / rms * double{weight[i]};
        EXPECT_NEAR(hook.inputs[row][i], y * double{hook.scales[row]}, 0.501);
      }
      const auto [low, high] =
          std::minmax_element(hook.inputs[row].begin(), hook.inputs[row].end());
      EXPECT_EQ(std::max<int>(-*low, *high), 127) << "the largest value decides the scale";
    }
  }

  TestOps t;
  InputKeeper hook;
};

void expect_near(const float* got, const std::vector<double>& expected) {
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(got[i], expected[i], 1e-6 * (1 + std::abs(expected[i]))) << "element " << i;
  }
}

std::vector<float> fill(TestOps& t, float* out, size_t cols) {
  std::vector<float> values = t.random_floats(kRows * cols);
  std::copy(values.begin(), values.end(), out);
  return values;
}

void check(TernaryScale::Granularity granularity, Activation activation, size_t threads) {
  Fixture f(granularity, activation, threads);
  const ModelConfig& c = f.t.model->config;
  const LayerWeights& w = f.t.model->weights.layers[kLayer];
  Workspace& ws = f.t.ws;

  const std::vector<float> x = fill(f.t, ws.x, c.hidden);
  f.t.ops.qkv(kLayer);
  f.check_inputs(x, w.attn_norm);
  expect_near(ws.q, f.product(LinearRole::kQ));
  expect_near(ws.k, f.product(LinearRole::kK));
  expect_near(ws.v, f.product(LinearRole::kV));

  const std::vector<float> attended = fill(f.t, ws.attended, c.q_rows());
  f.t.ops.attn_out(kLayer);
  f.check_inputs(attended, w.attn_sub_norm);
  std::vector<double> sum = f.product(LinearRole::kO);
  std::transform(sum.begin(), sum.end(), x.begin(), sum.begin(), std::plus<>());
  expect_near(ws.x, sum);

  const std::vector<float> middle(ws.x, ws.x + kRows * c.hidden);
  f.t.ops.ffn_gate_up(kLayer);
  f.check_inputs(middle, w.ffn_norm);
  std::vector<double> gated = f.product(LinearRole::kGate);
  const std::vector<double> up = f.product(LinearRole::kUp);
  for (size_t i = 0; i < gated.size(); ++i) {
    const double g = gated[i];
    const double relu = std::max(g, 0.0);
    gated[i] = (activation == Activation::kRelu2 ? relu * relu : g / (1 + std::exp(-g))) * up[i];
  }
  expect_near(ws.gate, gated);

  const std::vector<float> h = fill(f.t, ws.gate, c.ffn);
  f.t.ops.ffn_down(kLayer);
  f.check_inputs(h, w.ffn_sub_norm);
  sum = f.product(LinearRole::kDown);
  std::transform(sum.begin(), sum.end(), middle.begin(), sum.begin(), std::plus<>());
  expect_near(ws.x, sum);
  EXPECT_TRUE(f.t.ops.status().ok());
}

TEST(CpuOps, ComputesTheFormulas) {
  using Granularity = TernaryScale::Granularity;
  for (const Granularity granularity :
       {Granularity::kTensor, Granularity::kRow, Granularity::kGroup}) {
    for (const Activation activation : {Activation::kRelu2, Activation::kSilu}) {
      for (const size_t threads : {1, 3}) {
        SCOPED_TRACE(testing::Message() << int(granularity) << int(activation) << threads);
        check(granularity, activation, threads);
      }
    }
  }
}

// norm(x) * weight of each row.
std::vector<float> normed(const std::vector<float>& x, const std::vector<float>& weight, float eps) {
  std::vector<float> out(x.size());
  for (size_t begin = 0; begin < x.size(); begin += weight.size()) {
    kernel_table(IsaLevel::kScalar)
        .rms_norm(&x[begin], weight.data(), weight.size(), eps, &out[begin]);
  }
  return out;
}

TEST(CpuOps, MatricesWithNormsOfTheirOwnHaveInputsOfTheirOwn) {
  using Granularity = TernaryScale::Granularity;
  for (const size_t threads : {1, 3}) {
    SCOPED_TRACE(threads);
    Fixture f(Granularity::kTensor, Activation::kSilu, threads, true);
    const ModelConfig& c = f.t.model->config;
    const LayerWeights& w = f.t.model->weights.layers[kLayer];
    Workspace& ws = f.t.ws;
    const std::vector<float> x = fill(f.t, ws.x, c.hidden);
    f.t.ops.qkv(kLayer);
    const std::vector<float> before = normed(x, w.attn_norm, c.rms_eps);
    const auto check_one = [&](LinearInput input, const Linear& linear, LinearRole role,
                               const float* out) {
      f.hook.look_at(input);
      f.check_inputs(before, linear.input_norm);
      expect_near(out, f.product(role));
    };
    check_one(LinearInput::kQ, w.q, LinearRole::kQ, ws.q);
    check_one(LinearInput::kK, w.k, LinearRole::kK, ws.k);
    check_one(LinearInput::kV, w.v, LinearRole::kV, ws.v);
    EXPECT_NE(f.hook.kept.at(LinearInput::kQ), f.hook.kept.at(LinearInput::kK));

    const std::vector<float> attended = fill(f.t, ws.attended, c.q_rows());
    f.t.ops.attn_out(kLayer);
    f.check_inputs(attended, w.o.input_norm);

    const std::vector<float> middle(ws.x, ws.x + kRows * c.hidden);
    f.t.ops.ffn_gate_up(kLayer);
    const std::vector<float> before_ffn = normed(middle, w.ffn_norm, c.rms_eps);
    f.hook.look_at(LinearInput::kGate);
    f.check_inputs(before_ffn, w.gate.input_norm);
    std::vector<double> gated = f.product(LinearRole::kGate);
    f.hook.look_at(LinearInput::kUp);
    f.check_inputs(before_ffn, w.up.input_norm);
    const std::vector<double> up = f.product(LinearRole::kUp);
    for (size_t i = 0; i < gated.size(); ++i) {
      gated[i] = gated[i] / (1 + std::exp(-gated[i])) * up[i];
    }
    expect_near(ws.gate, gated);

    const std::vector<float> h = fill(f.t, ws.gate, c.ffn);
    f.t.ops.ffn_down(kLayer);
    f.check_inputs(h, w.down.input_norm);
    EXPECT_EQ(f.hook.kept.count(LinearInput::kQkv), 0u);
    EXPECT_EQ(f.hook.kept.count(LinearInput::kGateUp), 0u);
    EXPECT_TRUE(f.t.ops.status().ok());
  }
}

}  // namespace
}  // namespace rotor
