// SPDX-License-Identifier: Apache-2.0
// The feed-forward block of models with experts: a router chooses some of them for each row, and the row
// takes the weighted sum of what they compute. The rows of a batch are gathered by expert, so that a pass
// reads the weights of an expert once, however many rows it computes.
#include <algorithm>

#include "device/cpu/cpu_ops.h"

namespace rotor {
namespace {

constexpr size_t kBlocksTogether = 2;                // what kernels multiply at once
constexpr size_t kUnitBytes = size_t{64} << 10;      // of weights that a thread takes at once
constexpr size_t kMostBlocks = 256;                  // of a unit: sums of a row then leave room for others
constexpr size_t kUnitsOfThread = 4;                 // at least, where there are so many blocks

// Rows [16 * blocks.begin, 16 * blocks.end) of an expert, whose matrix begins with a row block.
RowRange range_of(size_t expert, size_t expert_rows, Slice blocks) {
  const size_t first = expert * (expert_rows / kTileRows);
  const Slice all = {first + blocks.begin, first + blocks.end};
  return {all, {all.begin * kTileRows, all.end * kTileRows}};
}

// A row of sums for `blocks` row blocks: an odd number of cache lines (see spread_rows() of workspace.cc).
size_t spread(size_t blocks) { return (blocks % 2 == 0 ? blocks + 1 : blocks) * kTileRows; }

}  // namespace

// The rows of some places as the input of their expert's matrices.
InputRows CpuOps::input_at(Slice places) const {
  const size_t p = places.begin;
  return {places.end - p,
          ws_.chosen_q8 + p * ws_.q8_stride,
          ws_.q8_stride,
          ws_.chosen_scale + p,
          ws_.chosen_sum + p,
          ws_.chosen_running + p * ws_.q8_running_stride,
          ws_.q8_running_stride,
          ws_.chosen_floats + p * ws_.widest,
          ws_.widest};
}

// What quantize_rows() made of the batch, for every place that needs it.
void CpuOps::gather_rows(Slice places) {
  for (size_t p = places.begin; p < places.end; ++p) {
    const size_t b = routes_.places()[p].row;
    ws_.chosen_scale[p] = ws_.q8_scale[b];
    if (config_.float_activations) {
      std::copy_n(ws_.normed + b * ws_.widest, config_.hidden, ws_.chosen_floats + p * ws_.widest);
      continue;
    }
    ws_.chosen_sum[p] = ws_.q8_sum[b];
    std::copy_n(ws_.q8 + b * ws_.q8_stride, ws_.q8_stride, ws_.chosen_q8 + p * ws_.q8_stride);
    if (weights_.grouped) {
      std::copy_n(ws_.q8_running + b * ws_.q8_running_stride, ws_.q8_running_stride,
                  ws_.chosen_running + p * ws_.q8_running_stride);
    }
  }
}

void CpuOps::route(size_t layer) {
  const LayerWeights& w = weights_.layers[layer];
  const Product gate = {&w.gate, LinearRole::kGate, 0, nullptr, 0};
  pool_.run([&](size_t thread) {
    quantize_rows(thread, LinearInput::kGateUp, layer, ws_.x, config_.hidden, w.ffn_norm, gate);
    pool_.barrier();
    const Slice experts = slice_of(config_.experts, kTileRows, thread, pool_.size());
    if (experts.begin < experts.end) {
      dot_rows_of(kernels_, w.router.type)({w.router.row(experts.begin), experts.end - experts.begin,
                                            config_.hidden, ws_.normed, ws_.widest, rows(),
                                            ws_.router_logits + experts.begin, config_.experts});
    }
    pool_.barrier();
    const Slice mine = slice_of(rows(), 1, thread, pool_.size());
    for (size_t b = mine.begin; b < mine.end; ++b) {
      if (!routes_.choose(kernels_, b, ws_.router_logits + b * config_.experts)) {
        note_not_finite(layer, static_cast<size_t>(LinearInput::kGateUp), b);
      }
    }
    pool_.barrier();
    if (thread == 0) {
      routes_.group(rows());
    }
    pool_.barrier();
    gather_rows(slice_of(routes_.places().size(), 1, thread, pool_.size()));
  });
}

// Cuts `matrices` times `blocks` row blocks into units and calls compute(thread, matrix, blocks) for each,
// on whichever thread is free.
template <typename Compute>
void CpuOps::share_blocks(size_t matrices, size_t blocks, size_t block_bytes, const Compute& compute) {
  const size_t share = std::max<size_t>(1, matrices * blocks / (pool_.size() * kUnitsOfThread));
  const size_t unit = std::min({std::max<size_t>(kBlocksTogether, kUnitBytes / block_bytes), kMostBlocks,
                                std::max(kBlocksTogether, share)});
  const size_t twos = (blocks + kBlocksTogether - 1) / kBlocksTogether;
  const size_t parts = (blocks + unit - 1) / unit;
  const auto border = [&](size_t i) { return std::min(twos * i / parts * kBlocksTogether, blocks); };
  pool_.run([&](size_t thread) {
    shares_.start(thread, matrices * parts);
    pool_.barrier();
    for (Slice units = shares_.take(thread, kUnitsOfThread); units.begin < units.end;
         units = shares_.take(thread, kUnitsOfThread)) {
      for (size_t u = units.begin; u < units.end; ++u) {
        compute(thread, u / parts, Slice{border(u % parts), border(u % parts + 1)});
      }
    }
  });
}

// g(gate) * up of the rows of one expert, for some of its outputs.
void CpuOps::gate_up_part(size_t thread, size_t layer, const ExpertRows& group, Slice blocks) {
  const LayerWeights& w = weights_.layers[layer];
  const RowRange range = range_of(group.expert, config_.ffn, blocks);
  const size_t count = blocks.end - blocks.begin;
  const size_t columns = count * kTileRows;
  const size_t stride = spread(2 * count);
  const size_t together = std::max<size_t>(1, kAccAtOnce / stride);
  const Gated gated = gated_kernel();
  int32_t* const acc = ws_.thread_acc + thread * ws_.thread_acc_stride;
  float* const up = ws_.thread_values + thread * ws_.thread_values_stride;
  for (size_t p = group.places.begin; p < group.places.end; p += together) {
    const InputRows input = input_at({p, std::min(p + together, group.places.end)});
    multiply_rows(kernels_, w.gate, range, input, acc, stride);
    multiply_rows(kernels_, w.up, range, input, acc + columns, stride);
    for (size_t i = 0; i < input.count; ++i) {
      float* const gate = ws_.gate + (p + i) * config_.ffn + blocks.begin * kTileRows;
      scale_products(kernels_, w.gate, input, i, acc + i * stride, range.rows, gate);
      scale_products(kernels_, w.up, input, i, acc + i * stride + columns, range.rows, up);
      limit_gate(gate, up, columns);
      gated(gate, up, columns, gate);
    }
  }
}

// int8 of the gated products, over the rows they came from.
void CpuOps::quantize_places(Slice places, size_t layer) {
  const size_t padded = (config_.ffn + kColumnPadding - 1) / kColumnPadding * kColumnPadding;
  for (size_t p = places.begin; p < places.end; ++p) {
    int8_t* const q8 = ws_.chosen_q8 + p * ws_.q8_stride;
    const Quantized result =
        kernels_.rms_norm_quantize(ws_.gate + p * config_.ffn, nullptr, config_.ffn, config_.rms_eps,
                                   ws_.chosen_floats + p * ws_.widest, q8, padded);
    ws_.chosen_scale[p] = result.scale;
    ws_.chosen_sum[p] = result.sum;
    if (weights_.grouped) {
      sum_columns(q8, padded, ws_.q8_running_stride, ws_.chosen_running + p * ws_.q8_running_stride);
    }
    if (!result.finite) {
      note_not_finite(layer, static_cast<size_t>(LinearInput::kDown), routes_.places()[p].row);
    }
  }
}

void CpuOps::expert_gate_up(size_t layer) {
  const TernaryMatrix& gate = weights_.layers[layer].gate.matrix;
  const auto groups = routes_.groups();
  share_blocks(groups.size(), row_blocks(config_.ffn), row_block_bytes(gate.format, gate.cols),
               [&](size_t thread, size_t i, Slice blocks) {
                 gate_up_part(thread, layer, groups[i], blocks);
               });
  pool_.run([&](size_t thread) {
    quantize_places(slice_of(routes_.places().size(), 1, thread, pool_.size()), layer);
  });
}

// x += the sum of weight * W int8(h) over a row's experts, ascending, for some columns of x.
void CpuOps::down_part(size_t thread, size_t layer, Slice blocks) {
  const Linear& down = weights_.layers[layer].down;
  const size_t begin = blocks.begin * kTileRows;
  const size_t columns = (blocks.end - blocks.begin) * kTileRows;
  const size_t stride = spread(blocks.end - blocks.begin);
  const size_t together = std::max<size_t>(1, kAccAtOnce / stride);
  int32_t* const acc = ws_.thread_acc + thread * ws_.thread_acc_stride;
  float* const values = ws_.thread_values + thread * ws_.thread_values_stride;
  for (size_t b = 0; b < rows(); ++b) {
    std::fill_n(ws_.branch + b * config_.hidden + begin, columns, 0.0f);
  }
  for (const ExpertRows& group : routes_.groups()) {
    const RowRange range = range_of(group.expert, config_.hidden, blocks);
    for (size_t p = group.places.begin; p < group.places.end; p += together) {
      const InputRows input = input_at({p, std::min(p + together, group.places.end)});
      multiply_rows(kernels_, down, range, input, acc, stride);
      for (size_t i = 0; i < input.count; ++i) {
        const ExpertPlace place = routes_.places()[p + i];
        scale_products(kernels_, down, input, i, acc + i * stride, range.rows, values);
        float* const sum = ws_.branch + place.row * config_.hidden + begin;
        for (size_t c = 0; c < columns; ++c) {
          sum[c] += place.weight * values[c];
        }
      }
    }
  }
  for (size_t b = 0; b < rows(); ++b) {
    add_branch(b, begin, begin + columns, ws_.branch + b * config_.hidden + begin);
  }
}

void CpuOps::expert_down(size_t layer) {
  const TernaryMatrix& down = weights_.layers[layer].down.matrix;
  share_blocks(1, row_blocks(config_.hidden), row_block_bytes(down.format, down.cols),
               [&](size_t thread, size_t, Slice blocks) { down_part(thread, layer, blocks); });
}

}  // namespace rotor
