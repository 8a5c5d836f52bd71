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

double half_rounded(double x, KvType type) {
  return type == KvType::kF16 ? double{f16_to_float(float_to_f16(static_cast<float>(x)))} : x;
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
  const size_t at = position % kPagePositions * t.model->config.head_dim + i;
  return t.kv.type() == KvType::kF16 ? double{f16_to_float(reinterpret_cast<uint16_t*>(page)[at])}
                                     : double{reinterpret_cast<float*>(page)[at]};
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
  // Of turned vectors below 1.5: binary16 has 2^-11 of that; a binary32 angle near 1023 has 2^-15.
  const double tolerance = k.kv_type == KvType::kF16 ? 1e-3 : 1e-4;
  // Of a mean of values below 1: with binary16 the softmax weights are binary16 too (2^-12 each).
  const double rounding = k.kv_type == KvType::kF16 ? 0x1p-11 : 1e-6;
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
      ASSERT_NEAR(cached(t, t.kv.keys(page, kLayer, 1), at, i), key[i], tolerance);
      ASSERT_EQ(cached(t, t.kv.values(page, kLayer, 1), at, i),
                half_rounded(double{kv[kv.size() / 2 + c.head_dim + i]}, k.kv_type));
    }
  }
  t.ops.attend(kLayer);
  for (size_t row = 0; row < positions.size(); ++row) {
    for (size_t head = 0; head < c.heads; ++head) {
      const size_t at = row * c.q_rows() + head * c.head_dim;
      const std::vector<double> expected_q = turned(&q[at], positions[row], c);
      for (size_t i = 0; i < c.head_dim; ++i) {
        EXPECT_NEAR(t.ws.q[at + i], expected_q[i], tolerance);
      }
      const std::vector<double> stored_q(t.ws.q + at, t.ws.q + at + c.head_dim);
      const std::vector<double> expected =
          attended(t, stored_q, positions[row], kLayer, head / c.group());
      for (size_t i = 0; i < c.head_dim; ++i) {
        EXPECT_NEAR(t.ws.attended[at + i], expected[i], rounding)
            << "row " << row << ", head " << head << ", element " << i;
      }
    }
  }
}

TEST(CpuAttention, ComputesTheFormula) {
  for (const KvType type : {KvType::kF16, KvType::kF32}) {
    for (const size_t window : {0, 1, 200, 256, 700}) {
      for (const size_t threads : {1, 3}) {
        check({type, window, threads});
      }
    }
  }
}

}  // namespace
}  // namespace rotor
