// SPDX-License-Identifier: Apache-2.0
// Workspace: every activation buffer of one executor, sized once. A pass over up to `max_batch` rows
// allocates nothing.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <cstdint>

#include "base/buffer.h"
#include "model/config.h"

namespace rotor {

// Rows of a head in a file that a thread reads together.
inline constexpr size_t kHeadRowsAtOnce = 16;

// Sums of matrix products that a thread makes before it scales them: they stay in its cache.
inline constexpr size_t kAccAtOnce = size_t{32} << 10;

// Rows of all arrays: max_batch (B). Pointers lead into one buffer and start on 64-byte boundaries;
// memory that is never written is never taken from the system.
struct Workspace {
  // `pages`: of the cache, at most this many belong to one sequence.
  static Result<Workspace> create(const ModelConfig& config, size_t max_batch, size_t threads,
                                  size_t pages);

  size_t max_batch = 0;
  float* x = nullptr;          // (B, hidden)   the residual stream
  float* normed = nullptr;     // (B, widest)   scratch of the norms, of a thread's first row alone where
                               // nobody reads the floats; widest = longest matrix input
  int8_t* q8 = nullptr;        // (B, q8_stride) quantised input of the current matrices
  float* q8_scale = nullptr;   // (B)
  int32_t* q8_sum = nullptr;   // (B)
  int32_t* q8_running = nullptr;  // (B, q8_running_stride) GroupMatmulArgs::x_running
  int32_t* acc = nullptr;      // (B, acc_stride) integer results, matrix after matrix, where a trace
                               // wants them; otherwise parts of them:
  int32_t* thread_acc = nullptr;    // (threads, thread_acc_stride)
  float* thread_values = nullptr;   // (threads, thread_values_stride) scaled results of one batch row
  float* q = nullptr;          // (B, heads * head_dim)
  float* k = nullptr;          // (B, kv_heads * head_dim)
  float* v = nullptr;          // (B, kv_heads * head_dim)
  float* attended = nullptr;   // (B, heads * head_dim)
  float* gate = nullptr;       // (B, ffn); afterwards the gated product. With experts (C, ffn)
  float* head_input = nullptr; // (B, hidden)   normed rows that want logits
  float* cos = nullptr;        // (B, turned_dims / 2)
  float* sin = nullptr;        // (B, turned_dims / 2)
  float* cos_local = nullptr;  // (B, turned_dims / 2) of layers with a window and a rotary base of their own
  float* sin_local = nullptr;  // (B, turned_dims / 2)
  float* branch = nullptr;     // (B, hidden)   what half a layer adds, where that is normed or a sum of
                               // experts
  // With experts, and C = B * experts_used rows: an expert's rows of the batch, one expert after the other,
  // as the input of its matrices.
  float* router_logits = nullptr;    // (B, experts)
  int8_t* chosen_q8 = nullptr;       // (C, q8_stride)
  float* chosen_scale = nullptr;     // (C)
  int32_t* chosen_sum = nullptr;     // (C)
  int32_t* chosen_running = nullptr; // (C, q8_running_stride)
  float* chosen_floats = nullptr;    // (C, widest)
  float* partial = nullptr;    // (partial_items, group, head_dim + 2) attention of single pages
  float* thread_scratch = nullptr;  // (threads, thread_stride)
  float* logits = nullptr;     // (B, vocab)

  size_t widest = 0;
  size_t q8_stride = 0;
  size_t q8_running_stride = 0;
  size_t acc_stride = 0;
  size_t thread_acc_stride = 0;
  size_t thread_values_stride = 0;
  size_t partial_items = 0;
  size_t thread_stride = 0;

 private:
  Buffer memory_;
};

}  // namespace rotor
