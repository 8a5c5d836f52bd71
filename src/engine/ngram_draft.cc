// SPDX-License-Identifier: Apache-2.0
#include "engine/ngram_draft.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace rotor {
namespace {

// Places looked at: the time of a look-up is bounded where a text repeats one pair again and again.
constexpr size_t kMostPlaces = 16;
// A match of so many tokens is no accident: the text goes on being copied from there.
constexpr size_t kCopied = 3;

// The pair of tokens before `end`, by a multiplicative hash of `bits` bits.
size_t hash_before(std::span<const TokenId> history, size_t end, int bits) {
  const uint64_t pair = uint64_t{static_cast<uint32_t>(history[end - 2])} << 32 |
                        static_cast<uint32_t>(history[end - 1]);
  return static_cast<size_t>(pair * 0x9E3779B97F4A7C15u >> (64 - bits));
}

// Tokens before `place` that are those at the end of `history`.
size_t match_before(std::span<const TokenId> history, size_t place) {
  const size_t most = std::min(place, NgramDraft::kLongest);
  size_t match = 0;
  while (match < most && history[place - 1 - match] == history[history.size() - 1 - match]) {
    ++match;
  }
  return match;
}

size_t distance(size_t a, size_t b) { return a > b ? a - b : b - a; }

}  // namespace

NgramDraft::NgramDraft(size_t positions)
    : last_(std::bit_ceil(std::clamp(positions, size_t{1} << 8, size_t{1} << 24))) {
  previous_.reserve(positions);
}

void NgramDraft::propose(std::span<const TokenId> history, size_t count) {
  remember(history);
  tokens_.clear();
  const size_t place = find(history);
  for (size_t i = place; place != 0 && tokens_.size() < count; ++i) {
    tokens_.push_back(i < history.size() ? history[i]  // then on into the draft: the text repeats
                                         : tokens_[i - history.size()]);
  }
}

// Puts every place that has a pair before it and a token after it into the chains.
void NgramDraft::remember(std::span<const TokenId> history) {
  const int bits = std::countr_zero(last_.size());
  for (size_t place = previous_.size(); place < history.size(); ++place) {
    uint32_t before = 0;
    if (place >= kShortest) {
      before = std::exchange(last_[hash_before(history, place, bits)], static_cast<uint32_t>(place));
    }
    previous_.push_back(before);
  }
}

// The place after the longest match; of several as long, the one nearest to where copying would go on,
// or else the last. 0: none.
size_t NgramDraft::find(std::span<const TokenId> history) {
  const size_t end = history.size();
  const size_t expected = copied_at_ == 0 ? end : copied_at_ + (end - copied_to_);
  size_t best = expected < end ? expected : 0;
  match_ = best != 0 ? match_before(history, best) : 0;
  if (end < kShortest) {
    return best;
  }
  size_t place = last_[hash_before(history, end, std::countr_zero(last_.size()))];
  for (size_t i = 0; i < kMostPlaces && place != 0; ++i, place = previous_[place]) {
    const size_t match = match_before(history, place);
    const bool nearer = distance(place, expected) < distance(best, expected);
    if (match >= kShortest && (match > match_ || (match == match_ && nearer))) {
      best = place;
      match_ = match;
    }
  }
  if (match_ >= kCopied) {
    copied_at_ = best;
    copied_to_ = end;
  }
  return best;
}

}  // namespace rotor
