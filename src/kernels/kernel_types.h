// SPDX-License-Identifier: Apache-2.0
// What the CPU kernels compute: one argument list and contract per operation. The scalar kernels are
// the executable form of docs/numerics.md; every other level equals them bit for bit (signs and
// payloads of NaN apart).
//
// All kernels: noexcept, no allocation, no state; callable from any number of threads on disjoint
// outputs. Pointers are not null unless stated, need no alignment beyond their type's (weights:
// 64 bytes), and never alias an output unless stated. Sizes were checked before. The floating-point
// environment is the default one: round to nearest, subnormals kept (ThreadPool sees to it).
//
// This header is included by files compiled for one instruction set, so it stays free of the
// standard library's templates.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rotor {

// Columns of int8 activations are padded with zeros up to a multiple of this, the least common
// multiple of all tile widths, so that every format may read whole tiles.
inline constexpr size_t kColumnPadding = 80;

// out[b, r] = sum over the columns of tiles [tile_begin, tile_end) of trit[r, c] * x[b, c]; exact.
// Bound: |sum| <= cols * 128, so int32 holds it for cols <= 2^24 - 1.
struct TernaryMatmulArgs {
  const uint8_t* weights;    // first row block, 64-byte aligned
  size_t row_blocks;         // row blocks to compute
  size_t row_block_stride;   // bytes from one row block to the next, a multiple of 64
  size_t tile_begin;         // tiles along the columns: all of them, or one scale group
  size_t tile_end;
  const int8_t* x;           // (batch, x_stride); column 0 of the matrix is x[b * x_stride]
  size_t x_stride;
  const int32_t* x_sum;      // (batch) sum of x over the columns of the tile range
  size_t batch;
  int32_t* out;              // (batch, out_stride): writes 16 * row_blocks columns of each row
  size_t out_stride;
  size_t ahead = 0;          // KernelTable::weights_ahead
};
using TernaryMatmul = void (*)(const TernaryMatmulArgs& args);

// Of a matrix in i2 with a scale for each group of columns of a row:
// out[b, r] = sum over groups g, ascending, from +0.0, of float(S) * scale[r, g], where S is the sum
// of trit[r, c] * x[b, c] over the columns of g. A product is rounded, then the sum: not fused.
// Bound: |S| <= 256 * 128 = 2^15, so S is exact in 16 bits but for +2^15, and as a float.
struct GroupMatmulArgs {
  const uint8_t* weights;    // first row block, 64-byte aligned
  size_t row_blocks;         // row blocks to compute
  size_t row_block_stride;   // bytes from one row block to the next, a multiple of 64
  size_t tiles;              // of a row block
  size_t group_tiles;        // 4, 8 or 16; the last group may have fewer
  const void* scales;        // (row_blocks, groups, 16) binary16 or binary32, 32-byte aligned
  const int8_t* x;           // (batch, x_stride), zero past the matrix's columns
  size_t x_stride;
  const int32_t* x_running;  // (batch, x_running_stride): entry i is the sum of x over the first
  size_t x_running_stride;   // i * kRunningCols columns, for i up to groups * group_tiles / 4
  size_t batch;
  float* out;                // (batch, out_stride): writes 16 * row_blocks columns of each row
  size_t out_stride;
  size_t ahead = 0;          // KernelTable::weights_ahead
};
inline constexpr size_t kRunningCols = 64;
using GroupMatmul = void (*)(const GroupMatmulArgs& args);

// Of a matrix in i2 whose activations stay floats: out[b, r] = DOT(w[r], x[b]) of docs/numerics.md with
// w[r, c] = trit[r, c] * scale of c's group in row r, which is exact. So the bits are those of
// dot_rows_f32 on the same weights written out.
struct TernaryDotsArgs {
  const uint8_t* weights;    // first row block, 64-byte aligned
  size_t row_blocks;         // row blocks to compute
  size_t row_block_stride;   // bytes from one row block to the next, a multiple of 64
  size_t cols;
  size_t group_tiles;        // 4, 8 or 16; or a row's tiles, when a row has one scale
  const void* scales;        // (row_blocks, groups, 16) binary16 or binary32; finite
  const float* x;            // (batch, x_stride)
  size_t x_stride;
  size_t batch;
  float* out;                // (batch, out_stride): writes 16 * row_blocks columns of each row
  size_t out_stride;
};
using TernaryDots = void (*)(const TernaryDotsArgs& args);

// What quantisation to int8 found.
struct Quantized {
  float scale;     // 127 / max(max|y|, 1e-5)
  int32_t sum;     // sum of the int8 values
  bool finite;     // false when an input was infinite or NaN; the int8 values are then unspecified
};

// y = x / rms(x) * weight (RMSNorm, variance over n, `eps` added), q = the int8 form of y with one
// scale for the row (BitNet b1.58 activation rule). weight == nullptr: y = x, no norm. `normed` (n)
// receives y; it may be x. q has n_padded >= n entries; entries past n become 0. n <= 2^24.
using RmsNormQuantize = Quantized (*)(const float* x, const float* weight, size_t n, float eps,
                                      float* normed, int8_t* q, size_t n_padded);

// out = RMSNorm(x) * weight; out may be x.
using RmsNorm = void (*)(const float* x, const float* weight, size_t n, float eps, float* out);

// out[i] = float(acc[i]) * factor.
using ScaleTensor = void (*)(const int32_t* acc, size_t n, float factor, float* out);
// out[i] = float(acc[i]) * (row_scale[i] * factor).
using ScaleRows = void (*)(const int32_t* acc, const float* row_scale, size_t n, float factor,
                           float* out);

// x[i] += y[i].
using AddTo = void (*)(float* x, const float* y, size_t n);

// out[i] = g(gate[i]) * up[i]; out may be gate. NaN stays NaN.
// gated_relu2: g(x) = r * r with r = x < 0 ? 0 : x.
// gated_silu: g(x) = x * s with e = exp(-|x|), s = 1 / (1 + e) for x >= 0 and e / (1 + e) below.
// gated_gelu: g(x) = x * s, s as above but of 2 sqrt(2 / pi) (x + 0.044715 x^3): GELU by tanh.
using Gated = void (*)(const float* gate, const float* up, size_t n, float* out);

// Rotary embedding in the half-split pairing, in place: for i < head_dim / 2, the pair
// (x[i], x[i + head_dim/2]) turns by the angle whose cosine and sine are cos[i], sin[i].
using Rope = void (*)(float* x /* (heads, head_dim) */, size_t heads, size_t head_dim,
                      const float* cos, const float* sin);

// binary32 <-> binary16, round to nearest even.
using ToF16 = void (*)(const float* x, size_t n, uint16_t* out);
using FromF16 = void (*)(const uint16_t* x, size_t n, float* out);

// Attention of positions, each with `queries` query heads that share one key/value head, over one page of
// kPagePositions positions. Four queries share what is read of it, so kAttendRows rows at once leave no rest.
inline constexpr size_t kPagePositions = 256;
inline constexpr size_t kAttendRows = 4;

// A score that is not finite makes max_score, sum and all of out NaN for its query.
struct AttendRow {
  size_t begin;          // the positions of the page that the row sees, [begin, end);
  size_t end;            // 0 <= begin < end <= kPagePositions
  const float* q;        // (queries, head_dim); REQUIRES: binary16 values for attend_f16 and attend_int8
  float* max_score;      // (queries) out: the largest score m, never -0
  float* sum;            // (queries) out: sum of p[j] = exp(score[j] - m)
  float* out;            // (queries, head_dim) out: sum of p[j] * value[j]
};
struct AttendArgs {
  const void* keys;      // (kPagePositions, head_dim), of the type that the kernel's name ends with
  const void* values;    // (kPagePositions, head_dim), the same type
  const AttendRow* rows; // (row_count); positions between the first begin and the last end hold values
  size_t row_count;
  size_t queries;
  size_t head_dim;       // a multiple of 2
  float scale;           // multiplies q . k
  float* scratch;        // (attend_scratch(head_dim))
  const float* key_scales = nullptr;    // (kPagePositions) for attend_int8: a key is its integers times
  const float* value_scales = nullptr;  // this, a value likewise
  const void* next = nullptr;           // the keys that are read after this page, or null: fetched, no more
};
// Floats: four queries, or the scores of one.
constexpr size_t attend_scratch(size_t head_dim) {
  const size_t queries = kAttendRows * ((head_dim + 15) / 16 * 16);
  return queries < kPagePositions ? kPagePositions : queries;
}
using Attend = void (*)(const AttendArgs& args);

// Merges the partial result (m2, l2, o2) of a later page into (m, l, o) of the earlier ones. The
// first page's result is taken as it is, not merged into an empty one.
using AttendMerge = void (*)(float* max_score, float* sum, float* out /* (head_dim) */,
                             float max_score2, float sum2, const float* out2, size_t head_dim);

// out[i] = x[i] / divisor; out may be x.
using DivideBy = void (*)(const float* x, float divisor, size_t n, float* out);

// out[b, r] = w[r] . x[b] for `rows` rows of a float matrix: the language-model head. w is binary16,
// bfloat16 or binary32.
struct DotRowsArgs {
  const void* w;         // (rows, cols)
  size_t rows;
  size_t cols;
  const float* x;        // (batch, x_stride)
  size_t x_stride;
  size_t batch;
  float* out;            // (batch, out_stride)
  size_t out_stride;
};
using DotRows = void (*)(const DotRowsArgs& args);

// out[i] += (sum over j of b[j, i] * low[j]) * scaling, what a low-rank adapter adds to `n` outputs; the
// sum in order of j from +0.0, every product and sum rounded. b is binary16, bfloat16 or binary32.
struct AddLowRankArgs {
  const void* b;         // (rank, stride): the adapter's B (out, rank), turned
  size_t stride;         // in elements
  size_t rank;
  const float* low;      // (rank)
  float scaling;
  size_t n;
  float* out;            // (n)
};
using AddLowRank = void (*)(const AddLowRankArgs& args);

// The scan of a head's coarse form (model/head_plane.h): out[v, r] = sum over c of
// code[r, c] * x[v, c]; exact. Codes are unsigned and of six bits. A group is 16 rows by 16 columns in
// 192 bytes. Byte 64 j + 4 r + i has in its low six bits the code of row r at column 4 j + i, for j < 3;
// above them bits 2 j and 2 j + 1 of the code at column 12 + i.
// REQUIRES: cols <= 2^16 and every x in -64..63. So two products fit 16 bits (2 * 63 * 64 < 2^15)
// and a sum stays within 2^16 * 63 * 64 < 2^28.
struct CodeDotsArgs {
  const uint8_t* codes;  // (row_blocks, cols / 16, 192), 64-byte aligned
  size_t row_blocks;
  size_t cols;           // a multiple of 64
  const int8_t* x;       // (vectors, x_stride)
  size_t x_stride;
  size_t vectors;
  int32_t* out;          // (vectors, out_stride): writes 16 * row_blocks columns of each row
  size_t out_stride;
  size_t ahead = 0;      // KernelTable::codes_ahead
};
inline constexpr size_t kCodeGroupCols = 16;
inline constexpr size_t kCodeGroupBytes = 192;
using CodeDots = void (*)(const CodeDotsArgs& args);

// What the scan left out of one row: out[v] = sum over c of rest[c] * x[v, c] for two vectors; exact.
// Rests are of two bits. Byte 64 k + i has at bits 2 f and 2 f + 1 the rest of column
// 256 k + 64 f + i.
// REQUIRES: as of CodeDotsArgs.
struct RestDotsArgs {
  const uint8_t* rests;  // (cols / 4), 64-byte aligned
  size_t cols;           // a multiple of 256
  const int8_t* x;       // (2, x_stride)
  size_t x_stride;
  int32_t* out;          // (2)
};
using RestDots = void (*)(const RestDotsArgs& args);
inline constexpr size_t kRestChunkCols = 256;

// How fast the level multiplies at best: `rounds` times kPeakMultiplyAdds products of bytes, added up in
// registers by the instructions that its matrix products use. All operands are 1; the result is the sum
// of everything, which so counts the products. REQUIRES: rounds <= kMostPeakRounds, or lanes overflow.
inline constexpr uint64_t kPeakMultiplyAdds = 3 << 16;
inline constexpr uint64_t kMostPeakRounds = 1 << 12;
using IntegerPeak = uint64_t (*)(uint64_t rounds);

// Finds the tokens whose noise may be large (model/gumbel.h): of `first` .. `first` + count - 1 those
// whose philox_bits({token, position, sample, 0}, seed) begin with at least `zeros` zero bits. Writes
// how far they are from `first` to `found`, ascending, and returns their number.
struct LargeNoiseArgs {
  uint64_t seed;
  uint32_t sample;
  uint32_t position;
  uint32_t first;        // first + count <= 2^32
  uint32_t count;
  int zeros;             // 0 .. 64
  uint32_t* found;       // (count)
};
using LargeNoise = size_t (*)(const LargeNoiseArgs& args);

// Sum over i of exp(x[i] - shift), for x[i] <= shift, in the fixed order of a sum.
using ExpSum = float (*)(const float* x, size_t n, float shift);

}  // namespace rotor
