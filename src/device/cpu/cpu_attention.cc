// SPDX-License-Identifier: Apache-2.0
// Rotary embedding, cache writes and attention. Attention is computed page by page (256 positions)
// and the pages are merged in order, so splitting them over threads changes nothing.
#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include "base/half.h"
#include "device/cpu/cpu_ops.h"

namespace rotor {
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

// The results of `queries` queries in one piece of memory, which holds them queries * (head_dim + 2) floats.
CpuOps::Attended CpuOps::attended_at(float* memory, size_t queries) {
  return {memory, memory + queries, memory + 2 * queries};
}

// Merges a page's result for one row into what the earlier pages gave.
void CpuOps::merge_row(const Attended& total, const Attended& page) {
  for (size_t g = 0; g < config_.group(); ++g) {
    kernels_.attend_merge(total.max_score + g, total.sum + g, total.out + g * config_.head_dim,
                          page.max_score[g], page.sum[g], page.out + g * config_.head_dim,
                          config_.head_dim);
  }
}

void CpuOps::attend_page(size_t layer, size_t kv_head, size_t id, std::span<const AttendRow> rows,
                         const std::byte* next, float* scratch) {
  std::byte* const keys = kv_.keys(id, layer, kv_head);
  std::byte* const values = kv_.values(id, layer, kv_head);
  AttendArgs args{};
  args.keys = keys;
  args.values = values;
  if (kv_.type() == KvType::kInt8) {
    args.key_scales = kv_.scales(keys);
    args.value_scales = kv_.scales(values);
  }
  args.rows = rows.data();
  args.row_count = rows.size();
  args.queries = config_.group();
  args.head_dim = config_.head_dim;
  args.scale = attention_scale_;
  args.scratch = scratch;
  args.next = next;
  attend_kernel()(args);
}

void CpuOps::attend_pages(size_t layer, Slice rows, size_t kv_head, Slice pages, const std::byte* next,
                          float* scratch, std::span<const Attended> totals) {
  const size_t group = config_.group();
  const size_t dim = config_.head_dim;
  const KvSequence& sequence = *batch_->rows[rows.begin].sequence;
  const Attended later = attended_at(scratch + attend_scratch(dim), totals.size() * group);
  std::array<AttendRow, kAttendRows> seeing;
  for (size_t page = pages.begin; page < pages.end; ++page) {
    const size_t start = page * kPagePositions;
    size_t count = 0;
    const auto for_seeing_rows = [&](const auto& use) {
      for (size_t i = 0; i < totals.size(); ++i) {
        const Slice own = visible_pages(layer, rows.begin + i);
        if (own.begin <= page && page < own.end) {
          const bool first = page == std::max(own.begin, pages.begin);
          const size_t g = i * group;
          use(rows.begin + i, totals[i],
              first ? totals[i] : Attended{later.max_score + g, later.sum + g, later.out + g * dim});
        }
      }
    };
    for_seeing_rows([&](size_t row, const Attended&, const Attended& result) {
      const size_t position = batch_->rows[row].position;
      const size_t first = first_visible(layer, position);
      seeing[count++] = {first > start ? first - start : 0,
                         std::min(position + 1 - start, kPagePositions),
                         ws_.q + row * config_.q_rows() + kv_head * group * dim,
                         result.max_score, result.sum, result.out};
    });
    const bool last = page + 1 == pages.end;
    const std::byte* following =
        last ? next : kv_.keys(sequence.page_of(start + kPagePositions), layer, kv_head);
    attend_page(layer, kv_head, sequence.page_of(start), {seeing.data(), count}, following, scratch);
    for_seeing_rows([&](size_t, const Attended& total, const Attended& result) {
      if (result.out != total.out) {
        merge_row(total, result);
      }
    });
  }
}

// The query heads of one key/value head, over all their pages.
void CpuOps::attend_item(size_t layer, size_t thread, Slice rows, size_t kv_head) {
  const size_t group = config_.group();
  const size_t dim = config_.head_dim;
  const size_t count = rows.end - rows.begin;
  float* scratch = ws_.thread_scratch + thread * ws_.thread_stride;
  float* extremes = scratch + attend_scratch(dim) + count * group * (dim + 2);
  std::array<Attended, kAttendRows> totals;
  Slice pages = visible_pages(layer, rows.begin);
  for (size_t i = 0; i < count; ++i) {
    totals[i] = {extremes + 2 * i * group, extremes + (2 * i + 1) * group,
                 ws_.attended + (rows.begin + i) * config_.q_rows() + kv_head * group * dim};
    const Slice own = visible_pages(layer, rows.begin + i);
    pages = {std::min(pages.begin, own.begin), std::max(pages.end, own.end)};
  }
  attend_pages(layer, rows, kv_head, pages, nullptr, scratch, {totals.data(), count});
  for (size_t i = 0; i < count; ++i) {
    for (size_t g = 0; g < group; ++g) {
      float* head = totals[i].out + g * dim;
      kernels_.divide_by(head, totals[i].sum[g], dim, head);
    }
  }
}

// Neighbours of one sequence are computed together, as long as every thread still has some of the work.
void CpuOps::group_rows() {
  const size_t enough = rows() * config_.kv_heads / (4 * pool_.size());
  const size_t most = std::clamp<size_t>(enough, 1, kAttendRows);
  row_groups_.clear();
  for (size_t b = 0; b < rows(); ++b) {
    if (b != 0 && b - row_groups_.back().begin < most &&
        batch_->rows[b].sequence == batch_->rows[b - 1].sequence) {
      row_groups_.back().end = b + 1;
    } else {
      row_groups_.push_back({b, b + 1});
    }
  }
}

void CpuOps::attend_whole(size_t layer, size_t thread) {
  // Later rows of a prompt see more: with a share of the first half goes one of the second.
  const size_t items = row_groups_.size() * config_.kv_heads;
  const size_t shares = 2 * pool_.size();
  for (const Slice share : {slice_of(items, 1, thread, shares),
                            slice_of(items, 1, shares - 1 - thread, shares)}) {
    for (size_t item = share.begin; item < share.end; ++item) {
      attend_item(layer, thread, row_groups_[item / config_.kv_heads], item % config_.kv_heads);
    }
  }
}

// One piece for each page, so that few rows and heads still keep all threads busy.
void CpuOps::attend_split(size_t layer, size_t thread) {
  attend_pieces(layer, thread);
  pool_.barrier();
  merge_pieces(layer, thread);
}

// The pieces are counted in one order, (row, kv_head, page), and dealt out to the threads in turn.
void CpuOps::attend_pieces(size_t layer, size_t thread) {
  std::optional<AttendPiece> mine;  // this thread's latest, computed once it is known which follows
  size_t number = 0;
  for (size_t row = 0; row < rows(); ++row) {
    const KvSequence& sequence = *batch_->rows[row].sequence;
    const Slice pages = visible_pages(layer, row);
    for (size_t kv_head = 0; kv_head < config_.kv_heads; ++kv_head) {
      for (size_t page = pages.begin; page < pages.end; ++page, ++number) {
        if (number % pool_.size() != thread) {
          continue;
        }
        if (mine) {
          const std::byte* next = kv_.keys(sequence.page_of(page * kPagePositions), layer, kv_head);
          attend_piece(layer, thread, *mine, next);
        }
        mine = {number, row, kv_head, page};
      }
    }
  }
  if (mine) {
    attend_piece(layer, thread, *mine, nullptr);
  }
}

void CpuOps::attend_piece(size_t layer, size_t thread, const AttendPiece& piece, const std::byte* next) {
  const Attended result = piece_result(piece.number);
  attend_pages(layer, {piece.row, piece.row + 1}, piece.kv_head, {piece.page, piece.page + 1}, next,
               ws_.thread_scratch + thread * ws_.thread_stride, {&result, 1});
}

CpuOps::Attended CpuOps::piece_result(size_t number) const {
  const size_t group = config_.group();
  return attended_at(ws_.partial + number * group * (config_.head_dim + 2), group);
}

void CpuOps::merge_pieces(size_t layer, size_t thread) {
  size_t number = 0;
  for (size_t row = 0; row < rows(); ++row) {
    const Slice pages = visible_pages(layer, row);
    for (size_t kv_head = 0; kv_head < config_.kv_heads; ++kv_head) {
      const size_t first = number;
      number += pages.end - pages.begin;
      const size_t head = row * config_.kv_heads + kv_head;
      if (head % pool_.size() != thread) {
        continue;
      }
      const Attended total = piece_result(first);
      for (size_t later = first + 1; later < number; ++later) {
        merge_row(total, piece_result(later));
      }
      const size_t dim = config_.head_dim;
      float* out = ws_.attended + head * config_.group() * dim;
      for (size_t g = 0; g < config_.group(); ++g) {
        kernels_.divide_by(total.out + g * dim, total.sum[g], dim, out + g * dim);
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
