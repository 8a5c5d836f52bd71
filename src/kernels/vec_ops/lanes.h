// SPDX-License-Identifier: Apache-2.0
// How vector code names the lanes of a load or store: all 16, or the first few at the end of an
// array. Lanes that are not loaded hold +0.0, which no sum of docs/numerics.md notices.
//
// The vector type of one instruction set, Vec (16 floats), comes from vec_<isa>.h and offers:
//   Vec, Ints                     16 binary32 values; 16 32-bit integers
//   load / store                  of float, and as f16, bf16, int32, int8 (converted)
//   trit_table, load_trits        trits times a scale, of 16 codes of i2 in the order of their columns
//   round_f16, keep_16_bits       to the nearest binary16; to 16 significant bits, ties away from zero
//   only(v, lanes)                v with the lanes past `lanes` cleared
//   add sub mul div               each correctly rounded, never fused
//   mul_add_exact(a, b, c)        a * b + c for a * b exact in binary32: fused or not is the same
//   fold, fold4                   the fixed fold of lanes that ends a sum; of four sums
//   fold4x4                       of four times four, each four to a row of their own
//   zero_where_less, relu         lane-wise selections with a defined answer for NaN
//   greater, largest              of finite values; the sign of zero is open
//   shift_left_23                 of the bit patterns
//   max_magnitude, largest        of bit patterns without sign
//   round_to_int8, store_int8     round half even, clamp to -128..127
//   sqrt_scalar
//   prefetch, prefetch_far        to the first-level cache; to the second, for which more may be under way
#pragma once

#include <cstddef>

namespace rotor::kernels {
namespace {

constexpr size_t kLanes = 16;
constexpr size_t kSumBlock = 256;

struct Whole {};
struct First {
  size_t n;  // 1 .. 15
};

// Calls body(i, lanes) for i = 0, 16, ... below n.
template <typename Body>
inline void for_lanes(size_t n, Body body) {
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    body(i, Whole{});
  }
  if (i < n) {
    body(i, First{n - i});
  }
}

}  // namespace
}  // namespace rotor::kernels
