// SPDX-License-Identifier: Apache-2.0
// The merge loops. The long one takes all pairs of the lowest rank at once, left to right. If a
// join makes a pair of a still lower rank (possible, if odd, in a list of merges), that rank goes
// first and the rest waits; runs_ is that stack. A run never gains members while it waits: whatever
// is made meanwhile is longer than what its own rank makes. Where tokens of different lengths share
// a rank that does not hold, and a heap of (rank, position) gives the order.
#include "text/bpe.h"

#include <algorithm>
#include <bit>
#include <functional>

namespace rotor {
namespace {

// Where the lists win over scanning; any value gives the same tokens.
constexpr size_t kShortPiece = 64;

constexpr uint32_t kNone = UINT32_MAX;
constexpr uint32_t kNotListed = UINT32_MAX - 1;

}  // namespace

RankSet::RankSet(uint32_t limit) {
  size_t words = limit;
  do {
    words = (words + 63) / 64;
    levels_.emplace_back(std::max<size_t>(words, 1));
  } while (words > 1);
}

void RankSet::insert(uint32_t rank) {
  for (std::vector<uint64_t>& words : levels_) {
    const uint64_t before = words[rank / 64];
    words[rank / 64] |= uint64_t{1} << (rank % 64);
    if (before != 0) {
      return;
    }
    rank /= 64;
  }
}

void RankSet::erase(uint32_t rank) {
  for (std::vector<uint64_t>& words : levels_) {
    words[rank / 64] &= ~(uint64_t{1} << (rank % 64));
    if (words[rank / 64] != 0) {
      return;
    }
    rank /= 64;
  }
}

uint32_t RankSet::minimum() const {
  if (levels_.back()[0] == 0) {
    return kNoRank;
  }
  uint32_t at = 0;
  for (auto words = levels_.rbegin(); words != levels_.rend(); ++words) {
    at = at * 64 + static_cast<uint32_t>(std::countr_zero((*words)[at]));
  }
  return at;
}

void BpeMerger::merge(std::vector<TokenId>& piece) {
  if (piece.size() <= kShortPiece) {
    merge_short(piece);
  } else if (merges_.has_ties()) {
    merge_tied(piece);
  } else {
    merge_long(piece);
  }
}

void BpeMerger::merge_short(std::vector<TokenId>& piece) {
  const auto rank_at = [&](size_t i) {
    ++operations_;
    return i + 1 < piece.size() ? merges_.find(piece[i], piece[i + 1]).rank : kNoRank;
  };
  short_ranks_.resize(piece.size());
  for (size_t i = 0; i < piece.size(); ++i) {
    short_ranks_[i] = rank_at(i);
  }
  while (piece.size() > 1) {
    operations_ += piece.size();
    const auto lowest = std::min_element(short_ranks_.begin(), short_ranks_.end());
    if (*lowest == kNoRank) {
      return;
    }
    const auto at = lowest - short_ranks_.begin();
    const size_t i = static_cast<size_t>(at);
    piece[i] = merges_.find(piece[i], piece[i + 1]).merged;
    piece.erase(piece.begin() + at + 1);
    short_ranks_.erase(lowest + 1);
    short_ranks_[i] = rank_at(i);
    if (i > 0) {
      short_ranks_[i - 1] = rank_at(i - 1);
    }
  }
}

// Makes the nodes of a piece, without their pairs.
void BpeMerger::link(const std::vector<TokenId>& piece) {
  const uint32_t size = static_cast<uint32_t>(piece.size());
  nodes_.resize(size);
  for (uint32_t i = 0; i < size; ++i) {
    nodes_[i] = {i == 0 ? kNone : i - 1,
                 i + 1 == size ? kNone : i + 1,
                 piece[i],
                 kNoRank,
                 kNotListed,
                 kNone};
  }
}

void BpeMerger::collect(std::vector<TokenId>& piece) const {
  piece.clear();
  for (uint32_t at = 0; at != kNone; at = nodes_[at].next) {
    piece.push_back(nodes_[at].token);
  }
}

void BpeMerger::start(const std::vector<TokenId>& piece) {
  if (heads_.size() != merges_.rank_limit()) {
    heads_.assign(merges_.rank_limit(), kNone);
    ranks_ = RankSet(merges_.rank_limit());
  }
  link(piece);
  for (uint32_t i = 0; i < nodes_.size(); ++i) {
    find_pair(i);
  }
}

// Looks up the pair that starts at `at` and puts it at the front of its rank's list.
void BpeMerger::find_pair(uint32_t at) {
  ++operations_;
  Node& node = nodes_[at];
  node.rank = node.next == kNone ? kNoRank : merges_.find(node.token, nodes_[node.next].token).rank;
  if (node.rank == kNoRank) {
    return;
  }
  uint32_t& head = heads_[node.rank];
  node.list_previous = kNone;
  node.list_next = head;
  if (head == kNone) {
    ranks_.insert(node.rank);
  } else {
    nodes_[head].list_previous = at;
  }
  head = at;
}

void BpeMerger::remove_pair(uint32_t at) {
  ++operations_;
  Node& node = nodes_[at];
  const uint32_t rank = std::exchange(node.rank, kNoRank);
  const uint32_t previous = std::exchange(node.list_previous, kNotListed);
  if (rank == kNoRank || previous == kNotListed) {
    return;
  }
  if (node.list_next != kNone) {
    nodes_[node.list_next].list_previous = previous;
  }
  if (previous != kNone) {
    nodes_[previous].list_next = node.list_next;
    return;
  }
  heads_[rank] = node.list_next;
  if (node.list_next == kNone) {
    ranks_.erase(rank);
  }
}

void BpeMerger::take_run(uint32_t rank) {
  runs_.push_back({rank, taken_.size()});
  for (uint32_t at = heads_[rank]; at != kNone; at = nodes_[at].list_next) {
    nodes_[at].list_previous = kNotListed;
    taken_.push_back(at);
  }
  heads_[rank] = kNone;
  ranks_.erase(rank);
  const auto begin = taken_.begin() + static_cast<std::ptrdiff_t>(runs_.back().begin);
  const size_t size = static_cast<size_t>(taken_.end() - begin);
  operations_ += size;
  // Lists that were filled from left to right come out in order.
  if (!std::is_sorted(begin, taken_.end(), std::greater<>())) {
    operations_ += size * static_cast<size_t>(std::bit_width(size));
    std::sort(begin, taken_.end(), std::greater<>());
  }
}

// Joins the token at `at` with the next one.
void BpeMerger::join(uint32_t at) {
  const uint32_t gone = nodes_[at].next;
  remove_pair(gone);
  nodes_[at].token = merges_.find(nodes_[at].token, nodes_[gone].token).merged;
  nodes_[at].next = nodes_[gone].next;
  if (nodes_[at].next != kNone) {
    nodes_[nodes_[at].next].previous = at;
  }
  const uint32_t before = nodes_[at].previous;
  if (before != kNone) {
    remove_pair(before);
    find_pair(before);
  }
  remove_pair(at);
  find_pair(at);
}

void BpeMerger::merge_long(std::vector<TokenId>& piece) {
  start(piece);
  while (true) {
    const uint32_t lowest = ranks_.minimum();
    if (runs_.empty() || lowest < runs_.back().rank) {
      if (lowest == kNoRank) {
        break;
      }
      take_run(lowest);
    }
    const Run& run = runs_.back();
    if (taken_.size() == run.begin) {
      runs_.pop_back();
      continue;
    }
    const uint32_t at = taken_.back();
    taken_.pop_back();
    // The pair may have lost a half to its neighbour meanwhile.
    if (nodes_[at].rank == run.rank) {
      join(at);
    }
  }
  collect(piece);
}

// Puts the pair that starts at `at` into the heap, if it merges.
void BpeMerger::push_candidate(uint32_t at) {
  ++operations_;
  if (at == kNone || nodes_[at].next == kNone) {
    return;
  }
  const TokenId right = nodes_[nodes_[at].next].token;
  const uint32_t rank = merges_.find(nodes_[at].token, right).rank;
  if (rank == kNoRank) {
    return;
  }
  operations_ += static_cast<size_t>(std::bit_width(heap_.size()));
  heap_.push_back({rank, at, nodes_[at].token, right});
  std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
}

// Every join pushes two pairs at most, so no more than three times the length is ever pushed.
void BpeMerger::merge_tied(std::vector<TokenId>& piece) {
  link(piece);
  heap_.clear();
  for (uint32_t at = 0; at < nodes_.size(); ++at) {
    push_candidate(at);
  }
  while (!heap_.empty()) {
    operations_ += static_cast<size_t>(std::bit_width(heap_.size()));
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    const Candidate pair = heap_.back();
    heap_.pop_back();
    const uint32_t gone = nodes_[pair.at].next;
    // A half may have been joined to its other neighbour meanwhile. The same two tokens at the same
    // place are the same pair, however they came there.
    if (nodes_[pair.at].token != pair.left || gone == kNone || nodes_[gone].token != pair.right) {
      continue;
    }
    nodes_[pair.at].token = merges_.find(pair.left, pair.right).merged;
    nodes_[pair.at].next = nodes_[gone].next;
    nodes_[gone].token = kNoToken;
    if (nodes_[pair.at].next != kNone) {
      nodes_[nodes_[pair.at].next].previous = pair.at;
    }
    push_candidate(nodes_[pair.at].previous);
    push_candidate(pair.at);
  }
  collect(piece);
}

}  // namespace rotor
