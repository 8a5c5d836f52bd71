// SPDX-License-Identifier: Apache-2.0
// Element-wise kernels, norms and sums against their scalar twins.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/half.h"
#include "kernels/kernel_check.h"

namespace rotor {
namespace {

float special_value(uint32_t choice) {
  constexpr float kSpecials[] = {0.0f,     -0.0f,    0x1p-149f, -0x1p-149f, 0x1.fffffcp-127f,
                                 0x1p-24f, 0x1p-25f, 65519.0f,  65520.0f,   -65536.0f,
                                 0.5f,     1.5f,     -2.5f,     1e18f,      -1e18f};
  return kSpecials[choice % std::size(kSpecials)];
}

float non_finite_value(uint32_t choice) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kValues[] = {kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN(),
                               1e25f};  // whose square is not finite
  return kValues[choice % std::size(kValues)];
}

std::string describe(Values values, size_t n) {
  return "values " + std::to_string(static_cast<int>(values)) + ", length " + std::to_string(n);
}

// Calls body(values, n, random) for all kinds of values and all lengths.
template <typename Body>
void for_all_vectors(Body body) {
  std::mt19937 random(20);
  for (Values values : kAllValues) {
    for (size_t n : test_lengths()) {
      body(values, n, random);
      if (testing::Test::HasFatalFailure()) {
        return;
      }
    }
  }
}

}  // namespace

GuardedArray<float> random_floats(size_t n, Values values, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> exponent(-148.0f, 60.0f);
  GuardedArray<float> array(n);
  for (float& value : array) {
    value = normal(random);
    if (values == Values::kWide) {
      value *= std::exp2(exponent(random));
    } else if (values == Values::kSpecial && random() % 3 == 0) {
      value = special_value(random());
    } else if (values == Values::kNonFinite && random() % (n + 1) < 2) {
      value = non_finite_value(random());
    }
  }
  return array;
}

const std::vector<size_t>& test_lengths() {
  static const std::vector<size_t> lengths = [] {
    std::vector<size_t> list;
    for (size_t n = 1; n <= 70; ++n) {
      list.push_back(n);
    }
    for (size_t n : {127, 128, 129, 160, 255, 256, 257, 271, 272, 273, 511, 512, 513, 640, 1000,
                     2560, 2561, 6912}) {
      list.push_back(n);
    }
    return list;
  }();
  return lengths;
}

void check_kernel(const std::string&, RmsNormQuantize kernel, RmsNormQuantize scalar) {
  for_all_vectors([=](Values values, size_t n, std::mt19937& random) {
    const GuardedArray<float> x = random_floats(n, values, random);
    const GuardedArray<float> weight = random_floats(n, Values::kNormal, random);
    const size_t padded = (n + kColumnPadding - 1) / kColumnPadding * kColumnPadding;
    for (const float* w : {static_cast<const float*>(nullptr), weight.data()}) {
      GuardedArray<float> normed(n);
      GuardedArray<float> expected_normed(n);
      GuardedArray<int8_t> q(padded);
      GuardedArray<int8_t> expected_q(padded);
      const Quantized got = kernel(x.data(), w, n, 1e-5f, normed.data(), q.data(), padded);
      const Quantized expected =
          scalar(x.data(), w, n, 1e-5f, expected_normed.data(), expected_q.data(), padded);
      const std::string what = describe(values, n);
      expect_same(normed, expected_normed, what);
      ASSERT_EQ(got.finite, expected.finite) << what;
      if (expected.finite) {
        ASSERT_EQ(float_bits(got.scale), float_bits(expected.scale)) << what;
        ASSERT_EQ(got.sum, expected.sum) << what;
        expect_same(q, expected_q, what);
      }
    }
  });
}

void check_kernel(const std::string&, RmsNorm kernel, RmsNorm scalar) {
  for_all_vectors([=](Values values, size_t n, std::mt19937& random) {
    const GuardedArray<float> x = random_floats(n, values, random);
    const GuardedArray<float> weight = random_floats(n, Values::kNormal, random);
    GuardedArray<float> out = x;  // in place
    GuardedArray<float> expected(n);
    kernel(out.data(), weight.data(), n, 1e-5f, out.data());
    scalar(x.data(), weight.data(), n, 1e-5f, expected.data());
    expect_same(out, expected, describe(values, n));
  });
}

namespace {

GuardedArray<int32_t> random_integers(size_t n, std::mt19937& random) {
  GuardedArray<int32_t> array(n);
  for (int32_t& value : array) {
    value = static_cast<int32_t>(random()) >> (random() % 32);
  }
  return array;
}

}  // namespace

void check_kernel(const std::string&, ScaleTensor kernel, ScaleTensor scalar) {
  for_all_vectors([=](Values values, size_t n, std::mt19937& random) {
    const GuardedArray<int32_t> acc = random_integers(n, random);
    const float factor = random_floats(1, values, random)[0];
    GuardedArray<float> out(n);
    GuardedArray<float> expected(n);
    kernel(acc.data(), n, factor, out.data());
    scalar(acc.data(), n, factor, expected.data());
    expect_same(out, expected, describe(values, n));
  });
}

void check_kernel(const std::string&, ScaleRows kernel, ScaleRows scalar) {
  for_all_vectors([=](Values values, size_t n, std::mt19937& random) {
    const GuardedArray<int32_t> acc = random_integers(n, random);
    const GuardedArray<float> scale = random_floats(n, values, random);
    GuardedArray<float> out(n);
    GuardedArray<float> expected(n);
    kernel(acc.data(), scale.data(), n, 0.037f, out.data());
    scalar(acc.data(), scale.data(), n, 0.037f, expected.data());
    expect_same(out, expected, describe(values, n));
  });
}

void check_kernel(const std::string&, AddTo kernel, AddTo scalar) {
  for_all_vectors([=](Values values, size_t n, std::mt19937& random) {
    const GuardedArray<float> y = random_floats(n, values, random);
    GuardedArray<float> x = random_floats(n, values, random);
    GuardedArray<float> expected = x;
    kernel(x.data(), y.data(), n);
    scalar(expected.data(), y.data(), n);
    expect_same(x, expected, describe(values, n));
  });
}

void check_kernel(const std::string&, Gated kernel, Gated scalar) {
  for_all_vectors([=](Values values, size_t n, std::mt19937& random) {
    const GuardedArray<float> up = random_floats(n, values, random);
    GuardedArray<float> gate = random_floats(n, values, random);
    GuardedArray<float> expected(n);
    scalar(gate.data(), up.data(), n, expected.data());
    kernel(gate.data(), up.data(), n, gate.data());  // in place
    expect_same(gate, expected, describe(values, n));
  });
}

void check_kernel(const std::string&, Rope kernel, Rope scalar) {
  std::mt19937 random(3);
  for (Values values : kAllValues) {
    for (size_t head_dim = 2; head_dim <= 160; head_dim += 2) {
      const size_t heads = 1 + head_dim % 5;
      GuardedArray<float> x = random_floats(heads * head_dim, values, random);
      GuardedArray<float> expected = x;
      const GuardedArray<float> cos = random_floats(head_dim / 2, Values::kNormal, random);
      const GuardedArray<float> sin = random_floats(head_dim / 2, Values::kNormal, random);
      kernel(x.data(), heads, head_dim, cos.data(), sin.data());
      scalar(expected.data(), heads, head_dim, cos.data(), sin.data());
      expect_same(x, expected, describe(values, head_dim));
    }
  }
}

void check_kernel(const std::string&, ToF16 kernel, ToF16 scalar) {
  for_all_vectors([=](Values values, size_t n, std::mt19937& random) {
    GuardedArray<float> x = random_floats(n, values, random);
    GuardedArray<uint16_t> out(n);
    GuardedArray<uint16_t> expected(n);
    kernel(x.data(), n, out.data());
    scalar(x.data(), n, expected.data());
    for (size_t i = 0; i < n; ++i) {
      if (x[i] == x[i]) {
        ASSERT_EQ(out[i], expected[i]) << x[i] << ", " << describe(values, n);
      } else {
        ASSERT_GT(out[i] & 0x7fff, 0x7c00) << "NaN stays NaN";
      }
    }
  });
}

void check_kernel(const std::string&, FromF16 kernel, FromF16 scalar) {
  for (size_t first = 0; first < 0x10000; first += 4099) {
    for (size_t n : test_lengths()) {
      GuardedArray<uint16_t> x(n);
      for (size_t i = 0; i < n; ++i) {
        x[i] = static_cast<uint16_t>(first + i);
      }
      GuardedArray<float> out(n);
      GuardedArray<float> expected(n);
      kernel(x.data(), n, out.data());
      scalar(x.data(), n, expected.data());
      expect_same(out, expected, "from pattern " + std::to_string(first));
    }
  }
}

void check_kernel(const std::string&, DivideBy kernel, DivideBy scalar) {
  for_all_vectors([=](Values values, size_t n, std::mt19937& random) {
    GuardedArray<float> x = random_floats(n, values, random);
    GuardedArray<float> expected(n);
    scalar(x.data(), 3.7f, n, expected.data());
    kernel(x.data(), 3.7f, n, x.data());  // in place
    expect_same(x, expected, describe(values, n));
  });
}

void check_kernel(const std::string&, ExpSum kernel, ExpSum scalar) {
  for_all_vectors([=](Values values, size_t n, std::mt19937& random) {
    GuardedArray<float> x = random_floats(n, values, random);
    const float scale = 30.0f;
    float shift = -std::numeric_limits<float>::infinity();
    for (float& value : x) {
      value *= scale;
      shift = std::max(shift, value);
    }
    ASSERT_EQ(float_bits(kernel(x.data(), n, shift)), float_bits(scalar(x.data(), n, shift)))
        << describe(values, n);
  });
}

}  // namespace rotor
