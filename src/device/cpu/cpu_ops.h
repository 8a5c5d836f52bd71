// SPDX-License-Identifier: Apache-2.0
// The verbs of decode_step() on the CPU. A verb is one or two fork-joins of the pool; rows of a
// matrix are divided over the threads, and a row is always computed whole, so the result does not
// depend on how many threads there are.
#pragma once

#include <rotor/status.h>

#include <atomic>
#include <cmath>
#include <cstddef>
#include <mutex>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "base/work_shares.h"
#include "device/cpu/expert_routes.h"
#include "device/cpu/linear_products.h"
#include "device/cpu/lora_products.h"
#include "device/cpu/two_stage_head.h"
#include "kernels/kernels.h"
#include "model/batch.h"
#include "model/trace.h"
#include "model/weights.h"
#include "model/workspace.h"

namespace rotor {

class CpuOps {
 public:
  // All references outlive the object. `inv_freq` holds turned_dims() / 2 rotary frequencies, and as many more
  // where layers with a window have a rotary base of their own.
  // `two_stage` may be null: then every logit is computed.
  CpuOps(const ModelConfig& config, const Weights& weights, const KernelTable& kernels,
         ThreadPool& pool, KvPool& kv, Workspace& workspace, const std::vector<float>& inv_freq,
         TwoStageHead* two_stage)
      : config_(config), weights_(weights), kernels_(kernels), pool_(pool), kv_(kv),
        ws_(workspace), inv_freq_(inv_freq), two_stage_(two_stage),
        shares_(pool.size()),
        lora_(kernels),
        routes_(config.experts, config.experts_used, workspace.max_batch),
        head_rows_(weights.head_matrix(), kernels, kHeadRowsAtOnce),
        attention_scale_(config.attention_scale != 0.0f
                             ? config.attention_scale
                             : static_cast<float>(1.0 / std::sqrt(double(config.head_dim)))) {}

  void set_trace(TraceHook* hook) { trace_ = hook; }

  void embed(const Batch& batch);
  void qkv(size_t layer);
  void rope_store(size_t layer);
  void attend(size_t layer);
  void attn_out(size_t layer);
  void route(size_t layer);
  void ffn_gate_up(size_t layer);
  void ffn_down(size_t layer);
  void logits();
  Status status() const;
  // Batch rows that wanted logits, in order.
  const std::vector<size_t>& logit_rows() const { return logit_rows_; }
  // The logits of logit_rows()[i].
  RowLogits row_logits(size_t i) const;
  // What the head multiplies for them, (hidden).
  std::span<const float> hidden_row(size_t i) const {
    return {ws_.head_input + i * config_.hidden, config_.hidden};
  }

 private:
  // A matrix to multiply the current input with, and where its scaled result goes.
  struct Product {
    const Linear* linear;
    LinearRole role;
    size_t acc_offset;   // first column in the workspace's acc
    float* out;          // (rows of the batch, out_stride); null, for the last alone: finish() takes it
    size_t out_stride;
  };
  // How products are shared out: in `count` units, of which a thread's area for sums holds `most`.
  struct Units {
    size_t count;
    size_t most;
  };
  // What some units compute of a product.
  struct Piece {
    RowRange range;
    int32_t* acc;        // (rows of the batch, stride) of multiply_rows()
  };

  // q8 = int8(norm(src)), or int8(own_norm(norm(src))) where the one product's matrix has a norm of its
  // own, then every product over its rows of the batch; of the floats themselves where they stay. finish(begin, end, b, values)
  // is called for rows [begin, end) of batch row b once all products of that range are scaled; `values`
  // (end - begin) are those of the last product, which has the same rows as one before it.
  template <typename Finish>
  void multiply(size_t layer, LinearInput input, const float* src, size_t cols,
                const std::vector<float>& norm, std::span<const Product> products, Finish finish);
  template <typename Finish>
  void multiply_part(size_t thread, Slice part, size_t units, size_t layer,
                     std::span<const Product> products, Finish finish);
  Units units_of(std::span<const Product> products) const;
  static Slice blocks_of(size_t rows, Slice part, size_t units);
  void quantize_rows(size_t thread, LinearInput input, size_t layer, const float* src, size_t cols,
                     const std::vector<float>& norm, const Product& first);
  // A x of the adapters of the batch's rows.
  void reduce_adapters(size_t thread, size_t layer, size_t cols, std::span<const Product> products);
  // What quantize_rows() left.
  InputRows batch_input() const;
  void call_quantized_hook(size_t layer, LinearInput input, size_t cols);
  void call_accumulated_hook(size_t layer, std::span<const Product> products);

  void add_product(size_t layer, LinearInput input, LinearRole role, const Linear& linear,
                   const float* src, size_t cols, const std::vector<float>& norm,
                   const std::vector<float>& post_norm);
  void add_branch(size_t batch_row, size_t begin, size_t end, const float* values);
  Gated gated_kernel() const;
  void limit_gate(float* gate, float* up, size_t n) const;

  // Of models with experts (cpu_experts.cc). Places are those of routes_.
  InputRows input_at(Slice places) const;
  void gather_rows(Slice places);
  void quantize_places(Slice places, size_t layer);
  void expert_gate_up(size_t layer);
  void expert_down(size_t layer);
  template <typename Compute>
  void share_blocks(size_t matrices, size_t blocks, size_t block_bytes, const Compute& compute);
  void gate_up_part(size_t thread, size_t layer, const ExpertRows& rows, Slice blocks);
  void down_part(size_t thread, size_t layer, Slice blocks);
  void norm_heads(float* x, size_t heads, const std::vector<float>& gains);
  void turn_heads(float* x, size_t heads, const float* cos, const float* sin);
  void store_vector(float* x, size_t position, std::byte* page);
  Attend attend_kernel() const;
  // Of one row's query heads that share a key/value head.
  struct Attended {
    float* max_score;    // (group)
    float* sum;          // (group)
    float* out;          // (group, head_dim) weighted sums of values
  };
  static Attended attended_at(float* memory, size_t queries);
  void merge_row(const Attended& total, const Attended& page);
  // Here and below, `next`: the keys that are read afterwards, or null.
  void attend_page(size_t layer, size_t kv_head, size_t id, std::span<const AttendRow> rows,
                   const std::byte* next, float* scratch);
  // Rows of one sequence, over pages of which each row sees at least one; `totals` has one for each.
  void attend_pages(size_t layer, Slice rows, size_t kv_head, Slice pages, const std::byte* next,
                    float* scratch, std::span<const Attended> totals);
  void attend_item(size_t layer, size_t thread, Slice rows, size_t kv_head);
  void group_rows();
  void attend_whole(size_t layer, size_t thread);
  // What attend_split deals out: a row's query heads of one key/value head over one page.
  struct AttendPiece {
    size_t number;
    size_t row;
    size_t kv_head;
    size_t page;
  };
  void attend_split(size_t layer, size_t thread);
  void attend_pieces(size_t layer, size_t thread);
  void attend_piece(size_t layer, size_t thread, const AttendPiece& piece, const std::byte* next);
  Attended piece_result(size_t number) const;
  void merge_pieces(size_t layer, size_t thread);
  size_t first_visible(size_t layer, size_t position) const;
  Slice visible_pages(size_t layer, size_t row) const;

  void final_norms();
  Status answer_in_two_stages();
  void compute_all(size_t begin, size_t end);
  std::byte* scratch(size_t thread) {
    return reinterpret_cast<std::byte*>(ws_.thread_scratch + thread * ws_.thread_stride);
  }

  size_t rows() const { return batch_->rows.size(); }
  // A trace sees the integers of a pass; where activations stay floats there are none.
  bool traced() const { return trace_ != nullptr && !config_.float_activations; }
  void note_not_finite(size_t layer, size_t verb, size_t row);
  void note_error(Status status);

  const ModelConfig& config_;
  const Weights& weights_;
  const KernelTable& kernels_;
  ThreadPool& pool_;
  KvPool& kv_;
  Workspace& ws_;
  const std::vector<float>& inv_freq_;
  TwoStageHead* two_stage_;
  WorkShares shares_;
  LoraProducts lora_;
  ExpertRoutes routes_;                           // of the pass's current layer
  HeadRows head_rows_;
  float attention_scale_;                         // head_dim^-0.5, unless the config has another
  TraceHook* trace_ = nullptr;

  const Batch* batch_ = nullptr;
  std::vector<size_t> logit_rows_;                // batch rows that want logits
  std::vector<Slice> row_groups_;                 // batch rows whose attention is computed together
  std::vector<TwoStageRow> asked_;                // those of them that ask for the most likely
  std::vector<size_t> place_;                     // (logit rows) in asked_, or kComputed or kHiddenAlone
  std::mutex error_mutex_;
  Status error_;                                  // the first of reading rows of embedding or head
  std::atomic<uint64_t> not_finite_{UINT64_MAX};  // smallest (layer, verb, row), packed
};

}  // namespace rotor
