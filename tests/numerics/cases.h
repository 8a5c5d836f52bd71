// SPDX-License-Identifier: Apache-2.0
// The inputs that every implementation of the order of arithmetic is given, made from integers alone
// so that they are the same everywhere, and the lines by which results are compared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace rotor::numerics {

// One page of attention for one query head.
struct PageCase {
  std::string name;
  bool half;                     // binary16 cache, else binary32
  size_t head_dim;
  size_t begin;
  size_t end;
  float scale;
  std::vector<float> q;          // (head_dim)
  std::vector<float> keys;       // (256, head_dim), binary16 values when `half`
  std::vector<float> values;     // the same
};

// The partial result of a page; what merging takes and gives.
struct Partial {
  float max_score;
  float sum;
  std::vector<float> out;  // (head_dim)
};

struct VectorCase {
  std::string name;
  std::vector<float> a;
  std::vector<float> b;
};

std::vector<VectorCase> dot_cases();   // DOT(a, b); SUM where b is all ones
std::vector<float> exp_inputs();       // <= 0, with the ends of the range, infinity and NaN
std::vector<PageCase> page_cases();
std::vector<VectorCase> norm_cases();  // x, weight

// The values as the 16-bit patterns of binary16; they must be binary16 values.
std::vector<uint16_t> to_patterns(const std::vector<float>& values);

// Prints "name: hash" over the bits of the results, all NaNs made one.
void print_line(const std::string& name, const std::vector<float>& results);

}  // namespace rotor::numerics
