// SPDX-License-Identifier: Apache-2.0
// TwoStageHead: the most likely tokens of a row, or the one that a draw falls on, without the whole
// head. The first stage reads six bits a weight of the head's coarse form and bounds every logit; where that
// leaves a question, the other two bits give closer bounds; the second stage computes the logits that
// are left from the head's own rows, by the kernel and in the order of the full head, so they are the same bits.
// docs/numerics.md derives the bounds.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/buffer.h"
#include "base/thread_pool.h"
#include "device/cpu/head_limbs.h"
#include "device/cpu/head_rows.h"
#include "kernels/kernels.h"
#include "model/draw_candidates.h"
#include "model/top_logits.h"
#include "model/weights.h"

namespace rotor {

// A row that asks.
struct TwoStageRow {
  const float* x;          // (cols) the normed hidden state
  const TopQuery* query;
  float* upper;            // (rows of the head) scratch
};

class TwoStageHead {
 public:
  // References outlive the object. REQUIRES: `plane` is of `head`. kOutOfMemory.
  static Result<std::unique_ptr<TwoStageHead>> create(const FloatMatrix& head,
                                                      const HeadPlane& plane,
                                                      const KernelTable& kernels, size_t max_batch,
                                                      size_t threads);

  // Answers `rows`, at most max_batch, with the whole pool, which has `threads` members. Allocates
  // nothing, unless over 512 tokens of a row come into question. Errors: a row of the head cannot be
  // read, or is not the one that was loaded.
  Status run(ThreadPool& pool, std::span<const TwoStageRow> rows);

  // Of the last run: whether row i was answered. The others need every logit: their hidden state is
  // not finite or too large or small to be bounded, they asked for too many tokens, or the bounds
  // left too many in question.
  bool answered(size_t i) const { return rows_[i].answered; }
  // By ascending token: every token that the query asks for, and maybe others. REQUIRES: answered(i).
  std::span<const TokenLogit> logits(size_t i) const { return rows_[i].found; }

  const TwoStageCounts& counts() const { return counts_; }

 private:
  struct Row {
    bool answered = false;
    HeadLimbs limbs;
    std::vector<TokenLogit> first;  // the likeliest by their bounds; empty when the query is a draw
    double floor = 0;               // a score that the draw's winner reaches
    std::vector<TokenLogit> found;
  };
  // What one thread keeps of one row.
  struct Part {
    MostLikely likeliest;
    DrawCandidates candidates;
    std::vector<TokenLogit> found;
    bool too_many = false;
  };

  // What one thread has read, on a cache line of its own.
  struct alignas(64) Work {
    uint64_t refined = 0;
    uint64_t rescored = 0;
  };
  // Of a logit.
  struct Bounds {
    float lower;
    float upper;
  };

  TwoStageHead(const FloatMatrix& head, const HeadPlane& plane, const KernelTable& kernels)
      : plane_(plane), kernels_(kernels), head_rows_(head, kernels, 1) {}

  bool can_answer(const TwoStageRow& row) const;
  void split(size_t i, const TwoStageRow& row);
  void scan(size_t thread, std::span<const TwoStageRow> rows, Slice blocks);
  void bound(size_t i, const TwoStageRow& row, Slice tokens, const int32_t* high, const int32_t* low);
  void weigh(size_t i, const TwoStageRow& row, Slice tokens, const int32_t* high, const int32_t* low,
             DrawCandidates& candidates);
  Bounds refine(size_t thread, size_t i, const TwoStageRow& row, size_t token);
  void choose_first(size_t thread, size_t i, const TwoStageRow& row, size_t threads);
  void raise_floor(size_t thread, size_t i, const TwoStageRow& row, size_t threads);
  void score_first(size_t thread, size_t threads, std::span<const TwoStageRow> rows);
  void find(size_t thread, std::span<const TwoStageRow> rows, Slice tokens);
  void find_likely(size_t thread, size_t i, const TwoStageRow& row, Slice tokens);
  void find_drawn(size_t thread, size_t i, const TwoStageRow& row, Slice tokens);
  void keep(size_t thread, size_t i, const TwoStageRow& row, TokenId token);
  void collect(size_t i, size_t threads);
  float logit(size_t thread, size_t i, const TwoStageRow& row, TokenId token);
  Part& part(size_t thread, size_t i) { return parts_[thread * rows_.size() + i]; }

  const HeadPlane& plane_;
  const KernelTable& kernels_;
  HeadRows head_rows_;
  size_t most_ = 0;            // tokens that a row may get
  size_t x_stride_ = 0;
  size_t dots_stride_ = 0;
  Buffer x_;                   // (2 max_batch, x_stride) int8: a and b of each row
  Buffer dots_;                // (threads, 2 max_batch, dots_stride) int32
  Buffer scratch_;             // (threads, head_rows_.scratch_bytes())
  std::vector<Row> rows_;      // (max_batch)
  std::vector<Part> parts_;    // (threads, max_batch)
  std::vector<Status> errors_; // (threads)
  std::vector<Work> work_;     // (threads) of the last run
  TwoStageCounts counts_;
};

}  // namespace rotor
