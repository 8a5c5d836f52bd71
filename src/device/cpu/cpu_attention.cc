// SPDX-License-Identifier: Apache-2.0
// Rotary embedding, cache writes and attention. Attention is computed page by page (256 positions)
// and the pages are merged in order, so splitting them over threads changes nothing.
#include <algorithm>
#include <limits>

#include "base/half.h"
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

// Stores one head's key or value, which an int8 cache may change.
void CpuOps::store_vector(float* x, size_t position, std::byte* page) {
  const size_t n = config_.head_dim;
  const size_t row = position % kPagePositions;
  switch (kv_.type()) {
    case KvType::kF16: kernels_.to_f16(x, n, reinterpret_cast<uint16_t*>(page) + row * n); return;
    case KvType::kBf16:
      std::transform(x, x + n, reinterpret_cast<uint16_t*>(page) + row * n, float_to_bf16);
      return;
    case KvType::kF32: std::copy_n(x, n, reinterpret_cast<float*>(page) + row * n); return;
    case KvType::kInt8: break;
  }
  const Quantized result = kernels_.rms_norm_quantize(
      x, nullptr, n, 0.0f, x, reinterpret_cast<int8_t*>(page) + row * n, n);
  kv_.scales(page)[row] =
      result.finite ? 1.0f / result.scale : std::numeric_limits<float>::quiet_NaN();
}

// RMSNorm of each head of x (heads, head_dim).
void CpuOps::norm_heads(float* x, size_t heads, const std::vector<float>& gains) {
  for (size_t h = 0; h < heads; ++h) {
    float* head = x + h * config_.head_dim;
    kernels_.rms_norm(head, gains.data(), config_.head_dim, config_.rms_eps, head);
  }
}

// Rotary embedding of each head of x (heads, head_dim), or of its first dimensions.
void CpuOps::turn_heads(float* x, size_t heads, const float* cos, const float* sin) {
  if (config_.turned_dims() == config_.head_dim) {
    kernels_.rope(x, heads, config_.head_dim, cos, sin);
    return;
  }
  for (size_t h = 0; h < heads; ++h) {
    kernels_.rope(x + h * config_.head_dim, 1, config_.turned_dims(), cos, sin);
  }
}

Attend CpuOps::attend_kernel() const {
  switch (kv_.type()) {
    case KvType::kF16: return kernels_.attend_f16;
    case KvType::kBf16: return kernels_.attend_bf16;
    case KvType::kF32: return kernels_.attend_f32;
    case KvType::kInt8: break;
  }
  return kernels_.attend_int8;
}

void CpuOps::rope_store(size_t layer) {
  pool_.run([&](size_t thread) {
    const size_t head_dim = config_.head_dim;
    const Slice mine = slice_of(rows(), 1, thread, pool_.size());
    auto* rounded = reinterpret_cast<uint16_t*>(ws_.thread_scratch + thread * ws_.thread_stride);
    for (size_t b = mine.begin; b < mine.end; ++b) {
      const BatchRow& row = batch_->rows[b];
      const bool local = config_.local_rope_theta != 0.0 && config_.is_local(layer);
      const size_t half = config_.turned_dims() / 2;
      const float* cos = (local ? ws_.cos_local : ws_.cos) + b * half;
      const float* sin = (local ? ws_.sin_local : ws_.sin) + b * half;
      float* q = ws_.q + b * config_.q_rows();
      float* k = ws_.k + b * config_.kv_rows();
      float* v = ws_.v + b * config_.kv_rows();
      if (config_.qk_norm) {
        norm_heads(q, config_.heads, weights_.layers[layer].q_norm);
        norm_heads(k, config_.kv_heads, weights_.layers[layer].k_norm);
      }
      if (config_.is_turned(layer)) {
        turn_heads(q, config_.heads, cos, sin);
        turn_heads(k, config_.kv_heads, cos, sin);
      }
      const size_t page = row.sequence->page_of(row.position);
      for (size_t h = 0; h < config_.kv_heads; ++h) {
        store_vector(k + h * head_dim, row.position, kv_.keys(page, layer, h));
        store_vector(v + h * head_dim, row.position, kv_.values(page, layer, h));
      }
      if (kv_.type() == KvType::kF16 || kv_.type() == KvType::kInt8) {  // so that products are exact
        for (size_t h = 0; h < config_.heads; ++h) {
          kernels_.to_f16(q + h * head_dim, head_dim, rounded);
          kernels_.from_f16(rounded, head_dim, q + h * head_dim);
        }
      }
    }
  });
}

// The first position that a query at `position` sees.
size_t CpuOps::first_visible(size_t layer, size_t position) const {
  const size_t window = config_.is_local(layer) ? config_.attention_window : 0;
  return window != 0 && position + 1 > window ? position + 1 - window : 0;
}

Slice CpuOps::visible_pages(size_t layer, size_t row) const {
  const size_t position = batch_->rows[row].position;
  return {first_visible(layer, position) / kPagePositions, position / kPagePositions + 1};
}

void CpuOps::attend_pages(size_t layer, size_t row, size_t kv_head, size_t page_begin,
                          size_t page_end, float* scores, float* scratch, float* max_score,
                          float* sum, float* out) {
  const BatchRow& r = batch_->rows[row];
  const size_t first = first_visible(layer, r.position);
  const size_t group = config_.group();
  const Partial next = partial_at(scratch, group);
  for (size_t page = page_begin; page < page_end; ++page) {
    const size_t start = page * kPagePositions;
    const size_t id = r.sequence->page_of(start);
    const bool fresh = page == page_begin;
    AttendArgs args{};
    std::byte* const keys = kv_.keys(id, layer, kv_head);
    std::byte* const values = kv_.values(id, layer, kv_head);
    args.keys = keys;
    args.values = values;
    if (kv_.type() == KvType::kInt8) {
      args.key_scales = kv_.scales(keys);
      args.value_scales = kv_.scales(values);
    }
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
    attend_kernel()(args);
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
  const Slice pages = visible_pages(layer, row);
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
    const Slice pages = visible_pages(layer, row);
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
    const Slice pages = visible_pages(layer, row);
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
