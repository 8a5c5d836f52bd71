// SPDX-License-Identifier: Apache-2.0
// Weights: every tensor of a loaded model, by layer, in the layout the device asked for. Immutable
// after load and shared by all executors.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/buffer.h"
#include "model/config.h"
#include "model/head_plane.h"
#include "model/layer_norms.h"
#include "ternary/matrix.h"

namespace rotor {

// What becomes of the input of a matrix: integers, or it stays as it is.
enum class ActivationRule : uint8_t { kInt8PerToken, kFloat };

// Which part of a matrix this is, when a model is split: rows (outputs) or columns (inputs).
struct Shard {
  enum class Axis : uint8_t { kNone, kRows, kCols } axis = Axis::kNone;
  size_t index = 0;
  size_t count = 1;
};

// Element type of an embedding or head. The block types keep ggml's bytes and are decoded by row.
enum class FloatType : uint8_t { kF32, kF16, kBf16, kQ8_0, kQ6K, kQ4_0, kQ4K };

// Not a type of blocks with scales.
inline bool is_plain_float(FloatType type) { return type <= FloatType::kBf16; }

// Bytes of one row of `cols` values; 0 when a block type cannot hold that many.
size_t float_row_bytes(FloatType type, size_t cols);

// A matrix of the model with everything its product needs.
struct Linear {
  TernaryMatrix matrix;              // (rows, cols) and its scales
  ActivationRule activation = ActivationRule::kInt8PerToken;
  // (rows, cols) of float_type, where the weights are no trits: `matrix` then has its sizes alone.
  const std::byte* floats = nullptr;
  FloatType float_type = FloatType::kF32;
  std::vector<float> input_norm;     // (cols) RMSNorm of its own on the input, or empty
  Shard shard;
};

// Rows of a float tensor as they lie in the file.
class FloatReader {
 public:
  virtual ~FloatReader() = default;
  // Bytes of rows [begin, end): (end - begin, float_row_bytes(type, cols)). Thread-safe.
  virtual Status read(size_t begin, size_t end, std::byte* out) const = 0;
};

// An embedding or head: in memory, or left in its file and read by row.
struct FloatMatrix {
  FloatType type = FloatType::kBf16;
  size_t rows = 0;
  size_t cols = 0;
  Buffer data;                       // (rows, row_bytes()) bytes; empty when the rows are in the file
  std::shared_ptr<const FloatReader> file;  // null when the rows are in memory

  size_t row_bytes() const { return float_row_bytes(type, cols); }
  bool in_memory() const { return file == nullptr; }
  // REQUIRES: in_memory().
  const std::byte* row(size_t r) const { return data.data() + r * row_bytes(); }
};

struct LayerWeights : LayerNorms {
  Linear q;                          // (heads * head_dim, hidden)
  Linear k;                          // (kv_heads * head_dim, hidden)
  Linear v;                          // (kv_heads * head_dim, hidden)
  Linear o;                          // (hidden, heads * head_dim)
  Linear gate;                       // (experts * ffn, hidden), of a single block where there are none
  Linear up;                         // (experts * ffn, hidden)
  Linear down;                       // (experts * hidden, ffn)
  FloatMatrix router;                // (experts, hidden); no rows where there are no experts
};

struct Weights {
  // All matrices one after the other, each with its packed scales behind it: a single run of
  // huge pages, none of them half used.
  Buffer packed;
  FloatMatrix embed;                 // (vocab, hidden)
  std::vector<LayerWeights> layers;
  std::vector<float> output_norm;    // (hidden)
  FloatMatrix head;                  // (vocab, hidden); no rows when tied to `embed`
  HeadPlane head_plane;              // of head_matrix(); no rows when every logit is computed
  bool grouped = false;              // a matrix of integer products has scales of groups

  const FloatMatrix& head_matrix() const { return head.rows == 0 ? embed : head; }
};

}  // namespace rotor
