// SPDX-License-Identifier: Apache-2.0
// One pass counts the bytes, a second hands out the pointers.
#include "model/workspace.h"

#include <algorithm>
#include <iterator>
#include <numeric>

#include "base/round_up.h"
#include "kernels/kernels.h"

namespace rotor {
namespace {

// A row length of at least `value` elements: an odd multiple of `multiple`, itself an odd number of
// cache lines. Rows that are read together then lie in different sets of the caches.
size_t spread_rows(size_t value, size_t multiple) {
  const size_t rounded = round_up(value, multiple);
  return rounded / multiple % 2 == 0 ? rounded + multiple : rounded;
}

// Hands out 64-byte aligned arrays from `base`, or only counts when base is null.
class Carver {
 public:
  explicit Carver(std::byte* base) : base_(base) {}

  template <typename T>
  void carve(T*& pointer, size_t rows, size_t cols) {
    if (base_ != nullptr) {
      pointer = reinterpret_cast<T*>(base_ + used_);
    }
    used_ += round_up(rows * cols * sizeof(T), 64);
  }
  size_t used() const { return used_; }

 private:
  std::byte* base_;
  size_t used_ = 0;
};

}  // namespace

Result<Workspace> Workspace::create(const ModelConfig& c, size_t max_batch, size_t threads,
                                    size_t pages) {
  Workspace w;
  const size_t group = c.heads / c.kv_heads;
  const size_t q_padded = round_up(c.q_rows(), kTileRows);
  const size_t kv_padded = round_up(c.kv_rows(), kTileRows);
  w.max_batch = max_batch;
  w.widest = std::max({c.hidden, c.q_rows(), c.ffn});
  w.q8_stride = spread_rows(w.widest, std::lcm(kColumnPadding, size_t{64}));
  w.q8_running_stride = round_up(w.widest, kGroupCols[std::size(kGroupCols) - 1]) / kRunningCols + 1;
  w.acc_stride = spread_rows(
      std::max({q_padded + 2 * kv_padded, round_up(c.hidden, kTileRows),
                2 * round_up(c.ffn, kTileRows)}),
      kTileRows);
  // A part has kAccAtOnce sums or one row block; three more blocks for each of up to three products,
  // whose borders are rounded to two, and one to spread the rows.
  w.thread_acc_stride = std::max(kAccAtOnce, max_batch * kTileRows) + 10 * max_batch * kTileRows;
  w.thread_values_stride = round_up(std::max(c.hidden, c.ffn), kTileRows);
  w.partial_items = 4 * threads * pages;
  // One thread needs a page's scratch, results and the running maxima and sums for the queries that are
  // computed together, or one decoded row of the head and kHeadRowsAtOnce from its file.
  const size_t queries = group * kAttendRows;
  w.thread_stride = std::max(round_up(attend_scratch(c.head_dim) + queries * (c.head_dim + 4), 16),
                             (1 + kHeadRowsAtOnce) * round_up(c.hidden, 16));

  const size_t used = std::max<size_t>(c.experts_used, 1);  // feed-forward blocks that compute a row
  const size_t chosen = c.experts != 0 ? max_batch * used : 0;

  const auto carve_all = [&](std::byte* base) {
    Carver carver(base);
    carver.carve(w.x, max_batch, c.hidden);
    carver.carve(w.normed, max_batch, w.widest);
    carver.carve(w.q8, max_batch, w.q8_stride);
    carver.carve(w.q8_scale, max_batch, 1);
    carver.carve(w.q8_sum, max_batch, 1);
    carver.carve(w.q8_running, max_batch, w.q8_running_stride);
    carver.carve(w.acc, max_batch, w.acc_stride);
    carver.carve(w.thread_acc, threads, w.thread_acc_stride);
    carver.carve(w.thread_values, threads, w.thread_values_stride);
    carver.carve(w.q, max_batch, c.q_rows());
    carver.carve(w.k, max_batch, c.kv_rows());
    carver.carve(w.v, max_batch, c.kv_rows());
    carver.carve(w.attended, max_batch, c.q_rows());
    carver.carve(w.gate, max_batch * used, c.ffn);
    carver.carve(w.head_input, max_batch, c.hidden);
    carver.carve(w.cos, max_batch, c.turned_dims() / 2);
    carver.carve(w.sin, max_batch, c.turned_dims() / 2);
    carver.carve(w.cos_local, max_batch, c.local_rope_theta != 0.0 ? c.turned_dims() / 2 : 0);
    carver.carve(w.sin_local, max_batch, c.local_rope_theta != 0.0 ? c.turned_dims() / 2 : 0);
    carver.carve(w.branch, max_batch, c.post_norms || c.experts != 0 ? c.hidden : 0);
    carver.carve(w.router_logits, max_batch, c.experts);
    carver.carve(w.chosen_q8, chosen, w.q8_stride);
    carver.carve(w.chosen_scale, chosen, 1);
    carver.carve(w.chosen_sum, chosen, 1);
    carver.carve(w.chosen_running, chosen, w.q8_running_stride);
    carver.carve(w.chosen_floats, chosen, w.widest);
    carver.carve(w.partial, w.partial_items, group * (c.head_dim + 2));
    carver.carve(w.thread_scratch, threads, w.thread_stride);
    carver.carve(w.logits, max_batch, c.vocab);
    return carver.used();
  };
  ROTOR_ASSIGN(w.memory_, Buffer::allocate(carve_all(nullptr)));
  carve_all(w.memory_.data());
  return w;
}

}  // namespace rotor
