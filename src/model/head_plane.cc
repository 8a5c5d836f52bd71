// SPDX-License-Identifier: Apache-2.0
// Rounds rows to bytes and bounds what that leaves out. Sums of squares are taken in binary32, in 16
// lanes; the factors that make bounds of them are derived where they stand.
#include "model/head_plane.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "base/round_up.h"

namespace rotor {
namespace {

constexpr size_t kLanes = kCodeGroupCols;

// The largest magnitude as its bit pattern: magnitudes order like their bits, infinity and NaN come
// out on top.
uint32_t largest_bits(const float* w, size_t n) {
  uint32_t largest = 0;
  for (size_t i = 0; i < n; ++i) {
    const uint32_t magnitude = std::bit_cast<uint32_t>(w[i]) & 0x7fffffffu;
    largest = magnitude > largest ? magnitude : largest;
  }
  return largest;
}

// The nearest integer, for |x| < 2^22.
float round_to_nearest(float x) {
  constexpr float kMagic = 0x1.8p23f;
  return (x + kMagic) - kMagic;
}

struct Lanes {
  float sum[kLanes] = {};

  double total() const {
    double total = 0;
    for (const float lane : sum) {
      total += double{lane};
    }
    return total;
  }
};

// Of a row with so many columns.
constexpr size_t code_bytes(size_t padded_cols) {
  return padded_cols / kCodeGroupCols * (kCodeGroupBytes / 16);
}

// Splits `bytes`, 4 code + rest of a row's 16 columns in one group. `codes` points into the group, to the row's
// first byte; `rests` to the bytes of the chunk that have these columns at bit 2 field.
// Four and eight bytes at a time: what shifts bring over from a neighbour falls outside the masks.
void pack_group(const uint8_t* bytes, size_t field, uint8_t* codes, uint8_t* rests) {
  uint32_t four[4];
  std::memcpy(four, bytes, sizeof(four));
  for (size_t t = 0; t < 3; ++t) {
    const uint32_t last = four[3] >> (2 + 2 * t) & 0x03030303u;
    const uint32_t packed = (four[t] >> 2 & 0x3f3f3f3fu) | last << 6;
    std::memcpy(codes + 64 * t, &packed, sizeof(packed));
  }
  for (size_t at = 0; at < kCodeGroupCols; at += 8) {
    uint64_t eight;
    uint64_t before = 0;
    std::memcpy(&eight, bytes + at, sizeof(eight));
    if (field != 0) {
      std::memcpy(&before, rests + at, sizeof(before));
    }
    const uint64_t packed = before | (eight & 0x0303030303030303u) << 2 * field;
    std::memcpy(rests + at, &packed, sizeof(packed));
  }
}

// A lane adds at most 2^16 / 16 = 2^12 squares, each rounded: its relative error is below 2^12 * 2^-23.
constexpr double kRoundedUp = 1.001;

}  // namespace

bool in_two_stages(HeadMode mode, uint64_t bytes, size_t cols) {
  constexpr uint64_t kBeyondCaches = uint64_t{64} << 20;
  if (mode == HeadMode::kFull || cols > HeadPlane::kMaxCols) {
    return false;
  }
  return mode == HeadMode::kTwoStage || bytes >= kBeyondCaches;
}

uint64_t HeadPlane::bytes(size_t rows, size_t cols) {
  return uint64_t{round_up(rows, 16)} * code_bytes(round_up(cols, 64)) +
         uint64_t{rows} * (round_up(cols, kRestChunkCols) / 4 + 4 * sizeof(float));
}

Result<HeadPlane> HeadPlane::allocate(size_t rows, size_t cols) {
  HeadPlane plane;
  plane.rows = rows;
  plane.cols = cols;
  plane.padded_cols = round_up(cols, 64);
  plane.rest_cols = round_up(cols, kRestChunkCols);
  ROTOR_ASSIGN(plane.codes, Buffer::allocate(round_up(rows, 16) * code_bytes(plane.padded_cols)));
  ROTOR_ASSIGN(plane.rests, Buffer::allocate(rows * plane.rest_bytes()));
  plane.scale.resize(rows);
  plane.error.resize(rows);
  plane.coarse_error.resize(rows);
  plane.norm.resize(rows);
  return plane;
}

bool HeadPlane::fill_row(size_t row, const float* w) {
  constexpr float kLargest = 0x1p55f;  // a row is shorter than 2^63, and its squares do not overflow
  constexpr float kSmallest = 1e-9f;
  const float largest = std::bit_cast<float>(largest_bits(w, cols));
  if (!(largest <= kLargest)) {
    return false;
  }
  const double all = std::sqrt(static_cast<double>(cols));
  if (largest < kSmallest) {  // squares may underflow: nothing is left in, and everything out
    scale[row] = 0;
    error[row] = norm[row] = static_cast<float>(double{largest} * all * kRoundedUp);
    coarse_error[row] = error[row];
    return true;
  }
  const float step = largest / 127;
  const float per_step = 127 / largest;
  uint8_t* const row_codes =
      codes.as<uint8_t>().data() + row / 16 * 16 * code_bytes(padded_cols) + row % 16 * 4;
  uint8_t* const row_rests = rests.as<uint8_t>().data() + row * rest_bytes();
  Lanes squares;
  Lanes errors;
  Lanes coarse_errors;
  const auto add_group = [&](size_t begin, size_t n) {
    uint8_t bytes[kLanes] = {};
    for (size_t i = 0; i < n; ++i) {
      const float value = w[begin + i];
      const float q = round_to_nearest(value * per_step);  // |value * per_step| < 127.1
      const int32_t byte = 128 + static_cast<int32_t>(q);
      const float coarse_q = static_cast<float>(byte & ~3) - 126.5f;
      const float left = value - step * q;
      const float coarse_left = value - step * coarse_q;
      bytes[i] = static_cast<uint8_t>(byte);
      squares.sum[i] += value * value;
      errors.sum[i] += left * left;
      coarse_errors.sum[i] += coarse_left * coarse_left;
    }
    pack_group(bytes, begin % kRestChunkCols / 64, row_codes + begin / kCodeGroupCols * kCodeGroupBytes,
               row_rests + begin / kRestChunkCols * 64 + begin % 64);
  };
  size_t begin = 0;
  for (; begin + kLanes <= cols; begin += kLanes) {
    add_group(begin, kLanes);
  }
  if (begin < cols) {
    add_group(begin, cols - begin);
  }
  const double length = std::sqrt(squares.total()) * kRoundedUp;
  scale[row] = step;
  norm[row] = static_cast<float>(length * kRoundedUp);
  // step * q and the difference are rounded: each is off by at most 2^-23 |w|, in all 2^-23 ||w||.
  // Squares below 2^-126 may be lost: 2^16 of them are the square of 2^-55 < 2^-22 * kSmallest.
  error[row] = static_cast<float>((std::sqrt(errors.total()) + 0x1p-21 * length) * kRoundedUp);
  // Here they are off by 2^-24 (|w| + 5 step) at most, and 5 step of 2^16 columns are below 11 ||w||.
  coarse_error[row] =
      static_cast<float>((std::sqrt(coarse_errors.total()) + 0x1p-20 * length) * kRoundedUp);
  return true;
}

}  // namespace rotor
