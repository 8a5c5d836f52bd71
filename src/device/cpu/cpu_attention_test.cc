// SPDX-License-Identifier: Apache-2.0
// Rotary embedding, cache and attention against the formulas in double precision.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "device/cpu/test_ops.h"

namespace rotor {
namespace {

struct Case {
  KvType kv_type;
  size_t window;
  size_t threads;  // with 2 rows and 2 heads of keys, 1 and 3 threads divide the work differently
};

// What the cache types lose: of turned keys below 1.5 (a binary32 angle near 1023 has 2^-15), of values
// below 1, and of a mean of such values (binary16 rounds the softmax weights, int8 to 16 bits).
struct Tolerance {
  double key;
  double value;
  double mean;
};
Tolerance tolerance_of(KvType type) {
  switch (type) {
    case KvType::kF16: return {1e-3, 0x1p-11, 0x1p-11};
    case KvType::kBf16: return {0x1p-8, 0x1p-9, 1e-6};
    case KvType::kF32: return {1e-4, 0, 1e-6};
    case KvType::kInt8: break;
  }
  return {1.5 / 254 + 1e-4, 1.0 / 254 + 1e-6, 0x1p-16};
}

// x (head_dim) turned by the angles of `position`.
std::vector<double> turned(const float* x, size_t position, const ModelConfig& c) {
  std::vector<double> out(c.head_dim);
  const size_t half = c.head_dim / 2;
  for (size_t i = 0; i < half; ++i) {
    const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(c.head_dim);
    const double angle = static_cast<double>(position) * std::pow(c.rope_theta, exponent);
    out[i] = x[i] * std::cos(angle) - x[i + half] * std::sin(angle);
    out[i + half] = x[i + half] * std::cos(angle) + x[i] * std::sin(angle);
  }
  return out;
}

// Element `i` of the cache's key or value of a position.
double cached(TestOps& t, std::byte* page, size_t position, size_t i) {
  const size_t row = position % kPagePositions;
  const size_t at = row * t.model->config.head_dim + i;
  switch (t.kv.type()) {
    case KvType::kF16: return f16_to_float(reinterpret_cast<uint16_t*>(page)[at]);
    case KvType::kBf16: return bf16_to_float(reinterpret_cast<uint16_t*>(page)[at]);
    case KvType::kF32: return reinterpret_cast<float*>(page)[at];
    case KvType::kInt8: break;
  }
  return double{t.kv.scales(page)[row]} * reinterpret_cast<int8_t*>(page)[at];
}

// softmax(q . keys * head_dim^-0.5) . values over the positions that `position` sees.
std::vector<double> attended(TestOps& t, const std::vector<double>& q, size_t position,
                             size_t layer, size_t kv_head) {
  const ModelConfig& c = t.model->config;
  const size_t window = c.attention_window == 0 ? position + 1 : c.attention_window;
  const size_t first = position + 1 > window ? position + 1 - window : 0;
  std::vector<double> out(c.head_dim);
  double sum = 0;
  for (size_t p = first; p <= position; ++p) {
    const size_t page = t.sequence.page_of(p);
    double score = 0;
    for (size_t i = 0; i < c.head_dim; ++i) {
      score += q[i] * cached(t, t.kv.keys(page, layer, kv_head), p, i);
    }
    const double weight = std::exp(score / std::sqrt(static_cast<double>(c.head_dim)));
    sum += weight;
    for (size_t i = 0; i < c.head_dim; ++i) {
      out[i] += weight * cached(t, t.kv.values(page, layer, kv_head), p, i);
    }
  }
  for (double& value : out) {
    value /= sum;
  }
  return out;
}

// Runs rope_store() and attend() on random q, k, v over a random cache of 4 pages.
void check(const Case& k) {
  SCOPED_TRACE(testing::Message() << "type " << int(k.kv_type) << ", window " << k.window << ", "
                                  << k.threads << " threads");
  ModelConfig c = test_config();
  c.attention_window = k.window;
  TestOps t(c, {}, k.threads, k.kv_type);
  constexpr size_t kLayer = 1;
  const Tolerance tolerance = tolerance_of(k.kv_type);
  const std::vector<size_t> positions = {300, 1023};
  std::vector<float> q;
  for (size_t p = 0; p <= positions.back(); ++p) {  // also fills the cache
    const bool last = p == positions.back();
    t.begin(last ? positions : std::vector<size_t>{p});
    q = t.random_floats(t.batch.rows.size() * c.q_rows());
    const std::vector<float> kv = t.random_floats(2 * t.batch.rows.size() * c.kv_rows());
    std::copy(q.begin(), q.end(), t.ws.q);
    std::copy_n(kv.begin(), kv.size() / 2, t.ws.k);
    std::copy_n(kv.begin() + static_cast<ptrdiff_t>(kv.size() / 2), kv.size() / 2, t.ws.v);
    t.ops.rope_store(kLayer);
    for (size_t i = 0; i < c.head_dim; ++i) {  // head 1 of row 0
      const std::vector<double> key = turned(&kv[c.head_dim], t.batch.rows[0].position, c);
      const size_t page = t.sequence.page_of(t.batch.rows[0].position);
      const size_t at = t.batch.rows[0].position;
      ASSERT_NEAR(cached(t, t.kv.keys(page, kLayer, 1), at, i), key[i], tolerance.key);
      ASSERT_NEAR(cached(t, t.kv.values(page, kLayer, 1), at, i),
                  double{kv[kv.size() / 2 + c.head_dim + i]}, tolerance.value);
    }
  }
  t.ops.attend(kLayer);
  for (size_t row = 0; row < positions.size(); ++row) {
    for (size_t head = 0; head < c.heads; ++head) {
      const size_t at = row * c.q_rows() + head * c.head_dim;
      const std::vector<double> expected_q = turned(&q[at], positions[row], c);
      for (size_t i = 0; i < c.head_dim; ++i) {
        EXPECT_NEAR(t.ws.q[at + i], expected_q[i], 1e-3);
      }
      const std::vector<double> stored_q(t.ws.q + at, t.ws.q + at + c.head_dim);
      const std::vector<double> expected =
          attended(t, stored_q, positions[row], kLayer, head / c.group());
      for (size_t i = 0; i < c.head_dim; ++i) {
        EXPECT_NEAR(t.ws.attended[at + i], expected[i], tolerance.mean)
            << "row " << row << ", head " << head << ", element " << i;
      }
    }
  }
}

TEST(CpuAttention, ComputesTheFormula) {
  for (const KvType type : {KvType::kF16, KvType::kBf16, KvType::kF32, KvType::kInt8}) {
    for (const size_t window : {0, 1, 200, 256, 700}) {
      for (const size_t threads : {1, 3}) {
        check({type, window, threads});
      }
    }
  }
}

// At position 0 nothing turns: what is stored are the normed heads, stretched by YaRN's factor.
TEST(CpuAttention, HeadsAreNormedBeforeTheyAreTurned) {
  for (const bool yarn : {false, true}) {
    ModelConfig c = test_config();
    c.qk_norm = true;
    if (yarn) {
      c.rope_scaling.type = RopeScalingType::kYarn;
      c.rope_scaling.factor = 4.0;
      c.rope_scaling.original_context = 128.0;
      c.rope_scaling.attention_factor = 1.25;
    }
    TestOps t(c, {}, 2);
    t.begin({0});
    const std::vector<float> q = t.random_floats(c.q_rows());
    const std::vector<float> k = t.random_floats(c.kv_rows());
    std::copy(q.begin(), q.end(), t.ws.q);
    std::copy(k.begin(), k.end(), t.ws.k);
    std::fill_n(t.ws.v, c.kv_rows(), 1.0f);
    t.ops.rope_store(1);
    const auto check_heads = [&](const std::vector<float>& x, const std::vector<float>& gains,
                                 auto stored) {
      ASSERT_EQ(gains.size(), c.head_dim);
      for (size_t at = 0; at < x.size(); ++at) {
        const size_t head = at / c.head_dim;
        double squares = 0;
        for (size_t i = 0; i < c.head_dim; ++i) {
          squares += double{x[head * c.head_dim + i]} * x[head * c.head_dim + i];
        }
        const double rms =
            std::sqrt(squares / static_cast<double>(c.head_dim) + double{c.rms_eps});
        const double expected = x[at] / rms * double{gains[at % c.head_dim]} * (yarn ? 1.25 : 1);
        EXPECT_NEAR(stored(head, at % c.head_dim), expected, 1e-6);
      }
    };
    const LayerWeights& w = t.model->weights.layers[1];
    check_heads(q, w.q_norm, [&](size_t head, size_t i) { return t.ws.q[head * c.head_dim + i]; });
    check_heads(k, w.k_norm, [&](size_t head, size_t i) {
      return cached(t, t.kv.keys(t.sequence.page_of(0), 1, head), 0, i);
    });
  }
}

// An infinite key or value has no integer; what is computed from it must not look like a number.
TEST(CpuAttention, AnInt8CacheKeepsThatAVectorWasNotFinite) {
  ModelConfig c = test_config();
  TestOps t(c, {}, 1, KvType::kInt8);
  t.begin({0});
  std::fill_n(t.ws.q, c.q_rows(), 1.0f);
  std::fill_n(t.ws.k, c.kv_rows(), 1.0f);
  std::fill_n(t.ws.v, c.kv_rows(), 1.0f);
  t.ws.v[c.head_dim] = INFINITY;  // of head 1
  t.ops.rope_store(0);
  t.ops.attend(0);
  EXPECT_FALSE(std::isnan(t.ws.attended[0]));
  EXPECT_TRUE(std::isnan(t.ws.attended[c.q_rows() - 1]));
}

}  // namespace
}  // namespace rotor
