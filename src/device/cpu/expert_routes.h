// SPDX-License-Identifier: Apache-2.0
// Which experts compute which rows of a batch, with which weights, and the rows of each expert side by
// side, so that the weights of an expert are read once for all of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/kernels.h"

namespace rotor {

// The places [places.begin, places.end) of an expert.
struct ExpertRows {
  size_t expert;
  Slice places;
};

// What one place computes.
struct ExpertPlace {
  uint32_t row;   // of the batch
  float weight;   // of the expert in the row's sum
};

// Sized once; a pass takes no memory. choose() may be called for different rows from several threads.
class ExpertRoutes {
 public:
  // None of all arguments may be zero but where there are no experts.
  ExpertRoutes(size_t experts, size_t used, size_t max_batch);

  // The `used` experts with the largest of `logits` (experts), of equal ones the first, and their weights:
  // the softmax over the logits of these (docs/numerics.md). False where a logit is not finite; the experts
  // are then some.
  bool choose(const KernelTable& kernels, size_t row, const float* logits);

  // Once choose() was called for rows [0, rows): gives each a place for each of its experts, experts
  // ascending, and rows ascending within an expert.
  void group(size_t rows);

  // Of experts that compute any row, ascending.
  std::span<const ExpertRows> groups() const { return groups_; }
  // (rows * used)
  std::span<const ExpertPlace> places() const { return {places_.data(), place_count_}; }

 private:
  size_t experts_;
  size_t used_;
  std::vector<uint32_t> chosen_;     // (max_batch, used) experts, ascending
  std::vector<float> logits_;        // (max_batch, used) of them
  std::vector<float> weights_;       // (max_batch, used) of them
  std::vector<size_t> next_;         // (experts) the next free place
  std::vector<ExpertRows> groups_;
  std::vector<ExpertPlace> places_;  // (max_batch * used)
  size_t place_count_ = 0;
};

}  // namespace rotor
