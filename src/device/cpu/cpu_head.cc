// SPDX-License-Identifier: Apache-2.0
// The final norm and the language-model head: rows of the vocabulary are divided over the threads.
#include <bit>
#include <cstdint>

#include "device/cpu/cpu_ops.h"

namespace rotor {
namespace {

constexpr uint32_t kExponent = 0x7f800000u;
constexpr size_t kComputed = SIZE_MAX;
constexpr size_t kHiddenAlone = SIZE_MAX - 1;

bool all_finite(const float* x, size_t n) {
  bool finite = true;
  for (size_t i = 0; i < n; ++i) {
    finite &= (std::bit_cast<uint32_t>(x[i]) & kExponent) != kExponent;
  }
  return finite;
}

}  // namespace

void CpuOps::logits() {
  if (logit_rows_.empty()) {
    return;
  }
  final_norms();
  if (Status status = answer_in_two_stages(); !status.ok()) {
    note_error(std::move(status));
    return;
  }
  // Every run of rows that need all logits.
  for (size_t begin = 0; begin < place_.size();) {
    if (place_[begin] != kComputed) {
      ++begin;
      continue;
    }
    size_t end = begin + 1;
    while (end < place_.size() && place_[end] == kComputed) {
      ++end;
    }
    compute_all(begin, end);
    begin = end;
  }
}

// Row i of `head_input` = norm(x) of the i-th row that wants logits.
void CpuOps::final_norms() {
  pool_.run([&](size_t thread) {
    const Slice mine = slice_of(logit_rows_.size(), 1, thread, pool_.size());
    for (size_t i = mine.begin; i < mine.end; ++i) {
      kernels_.rms_norm(ws_.x + logit_rows_[i] * config_.hidden, weights_.output_norm.data(),
                        config_.hidden, config_.rms_eps, ws_.head_input + i * config_.hidden);
      if (config_.head_divisor != 1.0f && !batch_->rows[logit_rows_[i]].hidden_alone) {
        float* input = ws_.head_input + i * config_.hidden;
        kernels_.divide_by(input, config_.head_divisor, config_.hidden, input);
      }
      if (batch_->rows[logit_rows_[i]].hidden_alone &&
          !all_finite(ws_.head_input + i * config_.hidden, config_.hidden)) {
        note_not_finite(config_.layers, 0, logit_rows_[i]);
      }
    }
  });
}

// Answers the rows that ask for their most likely tokens, as far as that is possible.
Status CpuOps::answer_in_two_stages() {
  asked_.clear();
  place_.assign(logit_rows_.size(), kComputed);
  for (size_t i = 0; i < logit_rows_.size(); ++i) {
    const BatchRow& row = batch_->rows[logit_rows_[i]];
    if (row.hidden_alone) {
      place_[i] = kHiddenAlone;
    } else if (const TopQuery* query = row.top; query != nullptr && two_stage_ != nullptr) {
      place_[i] = asked_.size();
      asked_.push_back({ws_.head_input + i * config_.hidden, query, ws_.logits + i * config_.vocab});
    }
  }
  if (asked_.empty()) {
    return {};
  }
  ROTOR_TRY(two_stage_->run(pool_, asked_));
  for (size_t& place : place_) {
    if (place < kHiddenAlone && !two_stage_->answered(place)) {
      place = kComputed;
    }
  }
  return {};
}

// All logits of rows [begin, end) of those that want them.
void CpuOps::compute_all(size_t begin, size_t end) {
  pool_.run([&](size_t thread) {
    const Slice mine = slice_of(config_.vocab, kTileRows, thread, pool_.size());
    if (mine.begin == mine.end) {
      return;
    }
    DotRowsArgs args{};
    args.x = ws_.head_input + begin * config_.hidden;
    args.x_stride = config_.hidden;
    args.batch = end - begin;
    args.out = ws_.logits + begin * config_.vocab + mine.begin;
    args.out_stride = config_.vocab;
    if (Status status = head_rows_.dot(mine.begin, mine.end, args, scratch(thread)); !status.ok()) {
      note_error(std::move(status));
      return;
    }
    for (size_t i = begin; i < end; ++i) {
      const float* row = ws_.logits + i * config_.vocab + mine.begin;
      if (!all_finite(row, mine.end - mine.begin)) {
        note_not_finite(config_.layers, 0, logit_rows_[i]);
      }
    }
  });
}

RowLogits CpuOps::row_logits(size_t i) const {
  if (place_[i] == kHiddenAlone) {
    return {};
  }
  if (place_[i] != kComputed) {
    return {{}, two_stage_->logits(place_[i])};
  }
  return {{ws_.logits + i * config_.vocab, config_.vocab}, {}};
}

}  // namespace rotor
