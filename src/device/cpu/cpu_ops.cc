// SPDX-License-Identifier: Apache-2.0
// The verbs around the ternary products: quantise, multiply, scale. Attention and the head are in
// cpu_attention.cc and cpu_head.cc.
#include "device/cpu/cpu_ops.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string>
#include <utility>

#include "kernels/rotary.h"
#include "model/float_rows.h"

namespace rotor {
namespace {

constexpr size_t kVerbs = 16;  // places a value is checked in, per layer
constexpr size_t kMostProducts = 3;
constexpr size_t kBlocksTogether = 2;  // what kernels multiply at once
constexpr size_t kUnitBytes = size_t{64} << 10;  // of weights

// For products that are only scaled.
constexpr auto kNoFinish = [](size_t, size_t, size_t, float*) {};

size_t pad_rows(size_t rows) { return row_blocks(rows) * kTileRows; }

}  // namespace

void CpuOps::note_not_finite(size_t layer, size_t verb, size_t row) {
  // The first place in execution order wins, whatever order the threads arrive in.
  const uint64_t place = ((uint64_t{layer} * kVerbs + verb) << 32) | row;
  uint64_t seen = not_finite_.load(std::memory_order_relaxed);
  while (place < seen && !not_finite_.compare_exchange_weak(seen, place)) {
  }
}

void CpuOps::note_error(Status status) {
  const std::lock_guard<std::mutex> lock(error_mutex_);
  if (error_.ok()) {
    error_ = std::move(status);
  }
}

Status CpuOps::status() const {
  ROTOR_TRY(error_);
  const uint64_t place = not_finite_.load();
  if (place == UINT64_MAX) {
    return {};
  }
  const size_t layer = (place >> 32) / kVerbs;
  const size_t verb = (place >> 32) % kVerbs;
  const BatchRow& row = batch_->rows[place & 0xffffffffu];
  const std::string where =
      layer < config_.layers
          ? "layer " + std::to_string(layer) + ", input of " +
                std::string(linear_input_name(static_cast<LinearInput>(verb)))
          : "the final norm or head";
  return Status(Code::kNotFinite, "an activation became infinite or NaN at position " +
                                      std::to_string(row.position) + ", " + where +
                                      "; the weights or scales of this file are not usable");
}

void CpuOps::quantize_rows(size_t thread, LinearInput input, size_t layer, const float* src,
                           size_t cols, const std::vector<float>& norm,
                           const Product& first) {
  const std::vector<float>& own = first.linear->input_norm;
  const std::vector<float>& last = own.empty() ? norm : own;
  const Slice mine = slice_of(rows(), 1, thread, pool_.size());
  const size_t padded = (cols + kColumnPadding - 1) / kColumnPadding * kColumnPadding;
  // Who reads the floats of all rows; for the others one row, which stays in the cache, takes turns.
  const bool all_floats =
      first.linear->activation == ActivationRule::kFloat || config_.experts != 0 || lora_.any();
  for (size_t b = mine.begin; b < mine.end; ++b) {
    const float* x = src + b * cols;
    float* normed = ws_.normed + (all_floats ? b : mine.begin) * ws_.widest;
    if (!own.empty() && !norm.empty()) {
      kernels_.rms_norm(x, norm.data(), cols, config_.rms_eps, normed);
      x = normed;
    }
    if (!own.empty()) {  // an adapter stands beside the matrix and its norm
      lora_.reduce_row(layer, first.role, b, x, cols);
    }
    const Quantized result = kernels_.rms_norm_quantize(
        x, last.empty() ? nullptr : last.data(), cols, config_.rms_eps, normed,
        ws_.q8 + b * ws_.q8_stride, padded);
    ws_.q8_scale[b] = result.scale;
    ws_.q8_sum[b] = result.sum;
    if (weights_.grouped) {
      sum_columns(ws_.q8 + b * ws_.q8_stride, padded, ws_.q8_running_stride,
                  ws_.q8_running + b * ws_.q8_running_stride);
    }
    if (!result.finite) {
      note_not_finite(layer, static_cast<size_t>(input), b);
    }
  }
}

InputRows CpuOps::batch_input() const {
  return {rows(), ws_.q8, ws_.q8_stride, ws_.q8_scale, ws_.q8_sum, ws_.q8_running,
          ws_.q8_running_stride, ws_.normed, ws_.widest};
}

void CpuOps::call_quantized_hook(size_t layer, LinearInput input, size_t cols) {
  trace_->quantized(layer, input, rows(), cols, ws_.q8, ws_.q8_stride, ws_.q8_scale);
  for (size_t b = 0; b < rows(); ++b) {  // the hook may have replaced the values
    const int8_t* q = ws_.q8 + b * ws_.q8_stride;
    int32_t sum = 0;
    for (size_t i = 0; i < cols; ++i) {
      sum += q[i];
    }
    ws_.q8_sum[b] = sum;
    if (weights_.grouped) {
      sum_columns(q, cols, ws_.q8_running_stride, ws_.q8_running + b * ws_.q8_running_stride);
    }
  }
}

void CpuOps::call_accumulated_hook(size_t layer, std::span<const Product> products) {
  for (const Product& product : products) {
    trace_->accumulated(layer, product.role, rows(), product.linear->matrix.rows,
                        ws_.acc + product.acc_offset, ws_.acc_stride);
  }
}

// Units of the rows of all products. Their weights come from memory within some microseconds.
CpuOps::Units CpuOps::units_of(std::span<const Product> products) const {
  if (traced()) {  // every thread computes one, and they meet at its hooks
    return {pool_.size(), 1};
  }
  size_t blocks = 0;
  for (const Product& product : products) {
    blocks += row_blocks(product.linear->matrix.rows);
  }
  const TernaryMatrix& matrix = products.front().linear->matrix;
  const size_t most_blocks = std::max<size_t>(1, kAccAtOnce / (rows() * kTileRows));
  const size_t unit_blocks = std::clamp<size_t>(
      kUnitBytes / row_block_bytes(matrix.format, matrix.cols), 1, most_blocks);
  const size_t share = (blocks + pool_.size() - 1) / pool_.size();
  const size_t share_units = (share + unit_blocks - 1) / unit_blocks;
  return {share_units * pool_.size(), most_blocks / unit_blocks};
}

// The row blocks of units [part.begin, part.end) of a matrix with `rows` rows, by twos.
Slice CpuOps::blocks_of(size_t rows, Slice part, size_t units) {
  const size_t blocks = row_blocks(rows);
  const size_t groups = (blocks + kBlocksTogether - 1) / kBlocksTogether;
  const auto border = [&](size_t u) { return std::min(groups * u / units * kBlocksTogether, blocks); };
  return {border(part.begin), border(part.end)};
}

// x is what quantize_rows() left of the norms; that of a matrix with a norm of its own it took itself.
void CpuOps::reduce_adapters(size_t thread, size_t layer, size_t cols,
                             std::span<const Product> products) {
  std::array<LinearRole, kMostProducts> roles;
  std::transform(products.begin(), products.end(), roles.begin(),
                 [](const Product& product) { return product.role; });
  const std::span<const LinearRole> these(roles.data(), products.size());
  if (products.front().linear->input_norm.empty() && lora_.adapts(layer, these)) {
    lora_.reduce(layer, these, ws_.normed, ws_.widest, cols, thread, pool_.size());
    pool_.barrier();
  }
}

template <typename Finish>
void CpuOps::multiply(size_t layer, LinearInput input, const float* src, size_t cols,
                      const std::vector<float>& norm, std::span<const Product> products,
                      Finish finish) {
  const Units units = units_of(products);
  pool_.run([&](size_t thread) {
    shares_.start(thread, units.count);
    quantize_rows(thread, input, layer, src, cols, norm, products.front());
    pool_.barrier();
    reduce_adapters(thread, layer, cols, products);
    if (traced()) {
      if (thread == 0) {
        call_quantized_hook(layer, input, cols);
      }
      pool_.barrier();
      multiply_part(thread, {thread, thread + 1}, units.count, layer, products, finish);
      return;
    }
    for (Slice part = shares_.take(thread, units.most); part.begin < part.end;
         part = shares_.take(thread, units.most)) {
      multiply_part(thread, part, units.count, layer, products, finish);
    }
  });
}

template <typename Finish>
void CpuOps::multiply_part(size_t thread, Slice part, size_t units, size_t layer,
                           std::span<const Product> products, Finish finish) {
  const bool whole = traced();  // a trace wants the sums of whole matrices
  int32_t* const own_acc = ws_.thread_acc + thread * ws_.thread_acc_stride;
  std::array<Piece, kMostProducts> pieces;
  size_t columns = 0;
  for (size_t i = 0; i < products.size(); ++i) {
    const size_t matrix_rows = products[i].linear->matrix.rows;
    Piece& piece = pieces[i];
    const Slice blocks = blocks_of(matrix_rows, part, units);
    piece.range = {blocks, {std::min(blocks.begin * kTileRows, matrix_rows),
                            std::min(blocks.end * kTileRows, matrix_rows)}};
    piece.acc = whole ? ws_.acc + products[i].acc_offset + blocks.begin * kTileRows
                      : own_acc + columns;
    columns += (blocks.end - blocks.begin) * kTileRows;
  }
  const size_t spread = columns / kTileRows % 2 == 0 ? columns + kTileRows : columns;
  const size_t stride = whole ? ws_.acc_stride : spread;  // see spread_rows()
  const InputRows input = batch_input();
  for (size_t i = 0; i < products.size(); ++i) {
    const Linear& linear = *products[i].linear;
    const Piece& piece = pieces[i];
    if (whole) {
      accumulate(kernels_, linear.matrix, piece.range, input, piece.acc, stride);
    } else {
      multiply_rows(kernels_, linear, piece.range, input, piece.acc, stride);
    }
  }
  if (whole) {
    pool_.barrier();
    if (thread == 0) {
      call_accumulated_hook(layer, products);
    }
    pool_.barrier();
    for (size_t i = 0; i < products.size(); ++i) {  // whose sums are those of whole rows
      if (products[i].linear->matrix.scale.grouped()) {
        multiply_rows(kernels_, *products[i].linear, pieces[i].range, input, pieces[i].acc, stride);
      }
    }
  }
  const bool adapted = lora_.any();
  for (size_t b = 0; b < rows(); ++b) {
    for (size_t i = 0; i < products.size(); ++i) {
      const Product& product = products[i];
      const auto [begin, end] = pieces[i].range.rows;
      if (begin == end) {
        continue;
      }
      float* values = product.out != nullptr
                          ? product.out + b * product.out_stride + begin
                          : ws_.thread_values + thread * ws_.thread_values_stride;
      scale_products(kernels_, *product.linear, input, b, pieces[i].acc + b * stride, {begin, end}, values);
      if (adapted) {
        lora_.expand(layer, product.role, i, b, begin, end, values);
      }
      if (i + 1 == products.size()) {
        finish(begin, end, b, values);
      }
    }
  }
}

void CpuOps::embed(const Batch& batch) {
  batch_ = &batch;
  not_finite_.store(UINT64_MAX);
  error_ = Status();
  logit_rows_.clear();
  for (size_t b = 0; b < rows(); ++b) {
    if (batch.rows[b].wants_logits) {
      logit_rows_.push_back(b);
    }
  }
  lora_.start(batch);
  group_rows();
  pool_.run([&](size_t thread) {
    const Slice mine = slice_of(rows(), 1, thread, pool_.size());
    const size_t half = config_.turned_dims() / 2;
    for (size_t b = mine.begin; b < mine.end; ++b) {
      const BatchRow& row = batch.rows[b];
      const size_t token = static_cast<size_t>(row.token);
      auto bytes = row_bytes_of(weights_.embed, token, token + 1, scratch(thread));
      if (!bytes.ok()) {
        note_error(bytes.status());
        return;
      }
      decode_row(weights_.embed.type, *bytes, config_.hidden, kernels_.from_f16,
                 ws_.x + b * config_.hidden);
      if (config_.embed_scale != 1.0f) {
        for (size_t i = 0; i < config_.hidden; ++i) {
          ws_.x[b * config_.hidden + i] *= config_.embed_scale;
        }
      }
      float* cos = ws_.cos + b * half;
      float* sin = ws_.sin + b * half;
      rotary_angles(static_cast<uint32_t>(row.position), inv_freq_.data(), half, cos, sin);
      if (config_.rope_scaling.attention_factor != 1.0) {
        const float factor = static_cast<float>(config_.rope_scaling.attention_factor);
        for (size_t i = 0; i < half; ++i) {
          cos[i] *= factor;
          sin[i] *= factor;
        }
      }
      if (config_.local_rope_theta != 0.0) {
        rotary_angles(static_cast<uint32_t>(row.position), inv_freq_.data() + half, half,
                      ws_.cos_local + b * half, ws_.sin_local + b * half);
      }
    }
  });
}

void CpuOps::qkv(size_t layer) {
  const LayerWeights& w = weights_.layers[layer];
  const size_t k_offset = pad_rows(w.q.matrix.rows);
  const size_t v_offset = k_offset + pad_rows(w.k.matrix.rows);
  const Product products[] = {
      {&w.q, LinearRole::kQ, 0, ws_.q, config_.q_rows()},
      {&w.k, LinearRole::kK, k_offset, ws_.k, config_.kv_rows()},
      {&w.v, LinearRole::kV, v_offset, ws_.v, config_.kv_rows()},
  };
  if (!config_.input_norms) {
    multiply(layer, LinearInput::kQkv, ws_.x, config_.hidden, w.attn_norm, products, kNoFinish);
    return;
  }
  constexpr LinearInput kInputs[] = {LinearInput::kQ, LinearInput::kK, LinearInput::kV};
  for (size_t i = 0; i < std::size(products); ++i) {
    multiply(layer, kInputs[i], ws_.x, config_.hidden, w.attn_norm, {&products[i], 1}, kNoFinish);
  }
}

// Adds what a half of a layer computed to columns [begin, end) of x.
void CpuOps::add_branch(size_t b, size_t begin, size_t end, const float* values) {
  float* x = ws_.x + b * config_.hidden + begin;
  if (config_.residual_scale == 1.0f) {
    kernels_.add_to(x, values, end - begin);
    return;
  }
  for (size_t i = 0; i < end - begin; ++i) {
    x[i] += values[i] * config_.residual_scale;
  }
}

// x += W int8(norm(src)), or x += post_norm(W int8(norm(src))).
void CpuOps::add_product(size_t layer, LinearInput input, LinearRole role, const Linear& linear,
                         const float* src, size_t cols, const std::vector<float>& norm,
                         const std::vector<float>& post_norm) {
  if (post_norm.empty()) {
    const Product products[] = {{&linear, role, 0, nullptr, 0}};
    multiply(layer, input, src, cols, norm, products,
             [&](size_t begin, size_t end, size_t b, const float* values) {
               add_branch(b, begin, end, values);
             });
    return;
  }
  const Product products[] = {{&linear, role, 0, ws_.branch, config_.hidden}};
  multiply(layer, input, src, cols, norm, products, kNoFinish);
  pool_.run([&](size_t thread) {
    const Slice mine = slice_of(rows(), 1, thread, pool_.size());
    for (size_t b = mine.begin; b < mine.end; ++b) {
      float* row = ws_.branch + b * config_.hidden;
      kernels_.rms_norm(row, post_norm.data(), config_.hidden, config_.rms_eps, row);
      add_branch(b, 0, config_.hidden, row);
    }
  });
}

void CpuOps::attn_out(size_t layer) {
  const LayerWeights& w = weights_.layers[layer];
  add_product(layer, LinearInput::kO, LinearRole::kO, w.o, ws_.attended, config_.q_rows(),
              w.attn_sub_norm, w.post_attn_norm);
}

Gated CpuOps::gated_kernel() const {
  switch (config_.activation) {
    case Activation::kRelu2: return kernels_.gated_relu2;
    case Activation::kSilu: return kernels_.gated_silu;
    case Activation::kGeluTanh: break;
  }
  return kernels_.gated_gelu;
}

// NaN stays NaN.
void CpuOps::limit_gate(float* gate, float* up, size_t n) const {
  const float limit = config_.gate_limit;
  if (limit == 0.0f) {
    return;
  }
  for (size_t i = 0; i < n; ++i) {
    gate[i] = gate[i] > limit ? limit : gate[i];
    const float low = up[i] < -limit ? -limit : up[i];
    up[i] = low > limit ? limit : low;
  }
}

void CpuOps::ffn_gate_up(size_t layer) {
  if (config_.experts != 0) {
    expert_gate_up(layer);
    return;
  }
  const LayerWeights& w = weights_.layers[layer];
  const Product products[] = {
      {&w.gate, LinearRole::kGate, 0, ws_.gate, config_.ffn},
      {&w.up, LinearRole::kUp, pad_rows(w.gate.matrix.rows), nullptr, 0},
  };
  const Gated gated = gated_kernel();
  const auto gate_it = [&](size_t begin, size_t end, size_t b, float* up) {
    float* gate = ws_.gate + b * config_.ffn + begin;
    limit_gate(gate, up, end - begin);
    gated(gate, up, end - begin, gate);
  };
  if (!config_.input_norms) {
    multiply(layer, LinearInput::kGateUp, ws_.x, config_.hidden, w.ffn_norm, products, gate_it);
    return;
  }
  multiply(layer, LinearInput::kGate, ws_.x, config_.hidden, w.ffn_norm, {&products[0], 1},
           kNoFinish);
  multiply(layer, LinearInput::kUp, ws_.x, config_.hidden, w.ffn_norm, {&products[1], 1}, gate_it);
}

void CpuOps::ffn_down(size_t layer) {
  if (config_.experts != 0) {
    expert_down(layer);
    return;
  }
  const LayerWeights& w = weights_.layers[layer];
  add_product(layer, LinearInput::kDown, LinearRole::kDown, w.down, ws_.gate, config_.ffn,
              w.ffn_sub_norm, w.post_ffn_norm);
}

}  // namespace rotor
