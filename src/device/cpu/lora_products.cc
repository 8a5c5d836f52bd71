// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/lora_products.h"

#include <algorithm>

#include "device/cpu/linear_products.h"

namespace rotor {
namespace {

constexpr size_t kReducedTogether = 4;   // rows of A that the kernel takes at once
constexpr size_t kRowsTogether = 16;     // of the batch

}  // namespace

void LoraProducts::start(const Batch& batch) {
  sets_.clear();
  const auto adapted = [](const BatchRow& row) { return row.sequence->lora() != nullptr; };
  if (std::none_of(batch.rows.begin(), batch.rows.end(), adapted)) {
    return;
  }
  most_adapters_ = most_rank_ = 0;
  for (const BatchRow& row : batch.rows) {
    const LoraSet* const set = row.sequence->lora();
    if (set != nullptr && (sets_.empty() || set != sets_.back())) {
      most_adapters_ = std::max(most_adapters_, set->size());
      for (const Lora& lora : *set) {
        most_rank_ = std::max(most_rank_, lora.adapter->most_rank());
      }
    }
    sets_.push_back(set);
  }
  low_stride_ = kPlaces * most_adapters_ * most_rank_;
  if (low_.size() < sets_.size() * low_stride_) {
    low_.resize(sets_.size() * low_stride_);
  }
}

bool LoraProducts::adapts(size_t layer, std::span<const LinearRole> roles) const {
  for (size_t row = 0; row < sets_.size(); ++row) {
    if (sets_[row] == nullptr || (row != 0 && sets_[row] == sets_[row - 1])) {
      continue;
    }
    for (const Lora& lora : *sets_[row]) {
      for (const LinearRole role : roles) {
        if (lora.adapter->of(layer, role).rank != 0) {
          return true;
        }
      }
    }
  }
  return false;
}

AddLowRank LoraProducts::add_low_rank(FloatType type) const {
  return type == FloatType::kF32   ? kernels_.add_low_rank_f32
         : type == FloatType::kF16 ? kernels_.add_low_rank_f16
                                   : kernels_.add_low_rank_bf16;
}

// Rows [first, first + count) of A, for `rows` rows of the batch that begin at x and out.
void LoraProducts::reduce_rows(const LowRank& low, size_t first, size_t count, const float* x,
                               size_t x_stride, size_t rows, size_t cols, float* out) const {
  dot_rows_of(kernels_, low.a_type)({low.a + first * float_row_bytes(low.a_type, cols), count, cols,
                                     x, x_stride, rows, out + first, low_stride_});
}

void LoraProducts::reduce(size_t layer, std::span<const LinearRole> roles, const float* x,
                          size_t x_stride, size_t cols, size_t part, size_t parts) {
  size_t turn = 0;
  for (size_t row = 0, end = 0; row < sets_.size(); row = end) {
    const LoraSet* const set = sets_[row];
    for (end = row + 1; end < sets_.size() && end < row + kRowsTogether && sets_[end] == set;) {
      ++end;
    }
    for (size_t i = 0; set != nullptr && i < roles.size(); ++i) {
      for (size_t j = 0; j < set->size(); ++j) {
        const LowRank& low = (*set)[j].adapter->of(layer, roles[i]);
        for (size_t first = 0; first < low.rank; first += kReducedTogether) {
          if (turn++ % parts == part) {
            reduce_rows(low, first, std::min(kReducedTogether, low.rank - first), x + row * x_stride,
                        x_stride, end - row, cols, low_.data() + low_at(row, i, j));
          }
        }
      }
    }
  }
}

void LoraProducts::reduce_row(size_t layer, LinearRole role, size_t row, const float* x,
                              size_t cols) {
  if (sets_.empty() || sets_[row] == nullptr) {
    return;
  }
  for (size_t j = 0; j < sets_[row]->size(); ++j) {
    const LowRank& low = (*sets_[row])[j].adapter->of(layer, role);
    if (low.rank != 0) {
      reduce_rows(low, 0, low.rank, x, 0, 1, cols, low_.data() + low_at(row, 0, j));
    }
  }
}

void LoraProducts::expand(size_t layer, LinearRole role, size_t place, size_t row, size_t begin,
                          size_t end, float* values) const {
  if (sets_.empty() || sets_[row] == nullptr) {
    return;
  }
  for (size_t j = 0; j < sets_[row]->size(); ++j) {
    const Lora& lora = (*sets_[row])[j];
    const LowRank& low = lora.adapter->of(layer, role);
    if (low.rank != 0) {
      const float scaling = static_cast<float>(low.scaling * double{lora.scale});
      add_low_rank(low.b_type)({low.b + float_row_bytes(low.b_type, begin), low.rows, low.rank,
                                low_.data() + low_at(row, place, j), scaling, end - begin, values});
    }
  }
}

}  // namespace rotor
