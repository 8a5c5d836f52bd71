// SPDX-License-Identifier: Apache-2.0
// Rotary embedding, cache writes and attention. Attention is computed page by page (256 positions)
// and the pages are merged in order, so splitting them over threads changes nothing.
#include <algorithm>

#include "device/cpu/cpu_ops.h"

namespace rotor {
namespace {

// Parts of one page's result for a group of query heads: (group) maxima, (group) sums, then the
// (group, head_dim) weighted values.
struct Partial {
  float* max_score;
  float* sum;
  float* out;
};

Partial partial_at(float* memory, size_t group) {
  return {memory, memory + group, memory + 2 * group};
}

}  // namespace

void CpuOps::rope_store(size_t layer) {
  pool_.run([&](size_t thread) {
    const size_t head_dim = config_.head_dim;
    const Slice mine = slice_of(rows(), 1, thread, pool_.size());
    auto* half = reinterpret_cast<uint16_t*>(ws_.thread_scratch + thread * ws_.thread_stride);
    for (size_t b = mine.begin; b < mine.end; ++b) {
      const BatchRow& row = batch_->rows[b];
      const float* cos = ws_.cos + b * head_dim / 2;
      const float* sin = ws_.sin + b * head_dim / 2;
      float* q = ws_.q + b * config_.q_rows();
      float* k = ws_.k + b * config_.kv_rows();
      const float* v = ws_.v + b * config_.kv_rows();
      kernels_.rope(q, config_.heads, head_dim, cos, sin);
      kernels_.rope(k, config_.kv_heads, head_dim, cos, sin);
      const size_t page = row.sequence->page_of(row.position);
      const size_t at = row.position % kPagePositions * head_dim;
      for (size_t h = 0; h < config_.kv_heads; ++h) {
        std::byte* keys = kv_.keys(page, layer, h);
        std::byte* values = kv_.values(page, layer, h);
        if (kv_.type() == KvType::kF16) {
          kernels_.to_f16(k + h * head_dim, head_dim, reinterpret_cast<uint16_t*>(keys) + at);
          kernels_.to_f16(v + h * head_dim, head_dim, reinterpret_cast<uint16_t*>(values) + at);
        } else {
          std::copy_n(k + h * head_dim, head_dim, reinterpret_cast<float*>(keys) + at);
          std::copy_n(v + h * head_dim, head_dim, reinterpret_cast<float*>(values) + at);
        }
      }
      if (kv_.type() == KvType::kF16) {  // products of binary16 values are exact in binary32
        for (size_t h = 0; h < config_.heads; ++h) {
          kernels_.to_f16(q + h * head_dim, head_dim, half);
          kernels_.from_f16(half, head_dim, q + h * head_dim);
        }
      }
    }
  });
}

Slice CpuOps::visible_pages(size_t row) const {
  const size_t position = batch_->rows[row].position;
  const size_t window = config_.attention_window;
  const size_t first = window != 0 && position + 1 > window ? position + 1 - window : 0;
  return {first / kPagePositions, position / kPagePositions + 1};
}

void CpuOps::attend_pages(size_t layer, size_t row, size_t kv_head, size_t page_begin,
                          size_t page_end, float* scores, float* scratch, float* max_score,
                          float* sum, float* out) {
  const BatchRow& r = batch_->rows[row];
  const size_t window = config_.attention_window;
  const size_t first = window != 0 && r.position + 1 > window ? r.position + 1 - window : 0;
  const size_t group = config_.group();
  const Partial next = partial_at(scratch, group);
  for (size_t page = page_begin; page < page_end; ++page) {
    const size_t start = page * kPagePositions;
    const size_t id = r.sequence->page_of(start);
    const bool fresh = page == page_begin;
    AttendArgs args{};
    args.keys = kv_.keys(id, layer, kv_head);
    args.values = kv_.values(id, layer, kv_head);
    args.begin = first > start ? first - start : 0;
    args.end = std::min(r.position + 1 - start, kPagePositions);
    args.q = ws_.q + row * config_.q_rows() + kv_head * group * config_.head_dim;
    args.queries = group;
    args.head_dim = config_.head_dim;
    args.scale = attention_scale_;
    args.scores = scores;
    args.max_score = fresh ? max_score : next.max_score;
    args.sum = fresh ? sum : next.sum;
    args.out = fresh ? out : next.out;
    (kv_.type() == KvType::kF16 ? kernels_.attend_f16 : kernels_.attend_f32)(args);
    for (size_t g = 0; g < group && !fresh; ++g) {
      kernels_.attend_merge(max_score + g, sum + g, out + g * config_.head_dim, next.max_score[g],
                            next.sum[g], next.out + g * config_.head_dim, config_.head_dim);
    }
  }
}

// One row's query heads of one key/value head, over all their pages.
void CpuOps::attend_item(size_t layer, size_t thread, size_t row, size_t kv_head) {
  const size_t group = config_.group();
  float* scores = ws_.thread_scratch + thread * ws_.thread_stride;
  float* scratch = scores + kPagePositions;
  float* max_score = scratch + group * (config_.head_dim + 2);
  float* sum = max_score + group;
  float* out = ws_.attended + row * config_.q_rows() + kv_head * group * config_.head_dim;
  const Slice pages = visible_pages(row);
  attend_pages(layer, row, kv_head, pages.begin, pages.end, scores, scratch, max_score, sum, out);
  for (size_t g = 0; g < group; ++g) {
    float* head = out + g * config_.head_dim;
    kernels_.divide_by(head, sum[g], config_.head_dim, head);
  }
}

void CpuOps::attend_whole(size_t layer, size_t thread) {
  // Later rows of a prompt see more: with a share of the first half goes one of the second.
  const size_t items = rows() * config_.kv_heads;
  const size_t shares = 2 * pool_.size();
  for (const Slice share : {slice_of(items, 1, thread, shares),
                            slice_of(items, 1, shares - 1 - thread, shares)}) {
    for (size_t item = share.begin; item < share.end; ++item) {
      attend_item(layer, thread, item / config_.kv_heads, item % config_.kv_heads);
    }
  }
}

void CpuOps::attend_split(size_t layer, size_t thread) {
  const size_t group = config_.group();
  const size_t item_size = group * (config_.head_dim + 2);
  float* scores = ws_.thread_scratch + thread * ws_.thread_stride;
  float* scratch = scores + kPagePositions;
  size_t item = 0;  // counts (row, kv_head, page) in one order that all threads share
  for (size_t row = 0; row < rows(); ++row) {
    const Slice pages = visible_pages(row);
    for (size_t kv_head = 0; kv_head < config_.kv_heads; ++kv_head) {
      for (size_t page = pages.begin; page < pages.end; ++page, ++item) {
        if (item % pool_.size() == thread) {
          const Partial p = partial_at(ws_.partial + item * item_size, group);
          attend_pages(layer, row, kv_head, page, page + 1, scores, scratch, p.max_score, p.sum,
                       p.out);
        }
      }
    }
  }
  pool_.barrier();
  item = 0;
  for (size_t row = 0; row < rows(); ++row) {
    const Slice pages = visible_pages(row);
    for (size_t kv_head = 0; kv_head < config_.kv_heads; ++kv_head) {
      const size_t count = pages.end - pages.begin;
      const size_t first = item;
      item += count;
      if ((row * config_.kv_heads + kv_head) % pool_.size() != thread) {
        continue;
      }
      const Partial total = partial_at(ws_.partial + first * item_size, group);
      float* out = ws_.attended + row * config_.q_rows() + kv_head * group * config_.head_dim;
      for (size_t g = 0; g < group; ++g) {
        float* head = total.out + g * config_.head_dim;
        for (size_t i = 1; i < count; ++i) {
          const Partial p = partial_at(ws_.partial + (first + i) * item_size, group);
          kernels_.attend_merge(total.max_score + g, total.sum + g, head, p.max_score[g], p.sum[g],
                                p.out + g * config_.head_dim, config_.head_dim);
        }
        kernels_.divide_by(head, total.sum[g], config_.head_dim, out + g * config_.head_dim);
      }
    }
  }
}

void CpuOps::attend(size_t layer) {
  // Few rows and heads: pages are the only way to keep all threads busy.
  const bool split = pool_.size() > 1 && rows() * config_.kv_heads < 4 * pool_.size();
  pool_.run([&](size_t thread) {
    if (split) {
      attend_split(layer, thread);
    } else {
      attend_whole(layer, thread);
    }
  });
}

}  // namespace rotor
