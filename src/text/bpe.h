// SPDX-License-Identifier: Apache-2.0
// Byte-pair encoding of one piece: repeatedly joins the adjacent pair of the lowest rank, leftmost
// first. Short pieces are scanned; long ones keep their pairs in one list per rank, so that even a
// 16 MiB piece takes O(n log n) time and 28 bytes of memory a byte. Where tokens share a rank, long
// pieces keep their pairs in a heap: the same bound, and up to 48 bytes more. No recursion.
#pragma once

#include <rotor/token.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "text/bpe_merge_table.h"

namespace rotor {

// A set of ranks below a limit with a fast minimum: a tree of 64-bit words in which a bit says that
// the word below it is not zero.
class RankSet {
 public:
  explicit RankSet(uint32_t limit);
  void insert(uint32_t rank);
  void erase(uint32_t rank);
  // kNoRank when empty.
  uint32_t minimum() const;

 private:
  std::vector<std::vector<uint64_t>> levels_;  // leaves first; the last level is one word
};

// Merges pieces; keeps its memory from piece to piece. For one thread; the table must outlive it.
class BpeMerger {
 public:
  explicit BpeMerger(const MergeTable& merges) : merges_(merges) {}

  // Merges the tokens of a piece (one per byte at first) in place and drops the rest of `piece`.
  // REQUIRES: fewer than 2^32 - 2 tokens.
  void merge(std::vector<TokenId>& piece);

  // Pair look-ups, list operations and comparisons so far: a measure of work that tests can rely
  // on.
  uint64_t operations() const { return operations_; }

 private:
  // A token of a long piece and the pair it makes with the next one.
  struct Node {
    uint32_t previous;
    uint32_t next;
    TokenId token;
    uint32_t rank;           // of the pair; kNoRank when it does not merge
    uint32_t list_previous;  // in the list of the pairs of this rank
    uint32_t list_next;
  };
  // Pairs of one rank taken from their list, leftmost last, as a stretch of taken_.
  struct Run {
    uint32_t rank;
    size_t begin;
  };

  // A pair that was there when it was pushed; it may be gone.
  struct Candidate {
    uint32_t rank;
    uint32_t at;
    TokenId left;
    TokenId right;
    bool operator>(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : at > other.at;
    }
  };

  void merge_short(std::vector<TokenId>& piece);
  void merge_long(std::vector<TokenId>& piece);
  void merge_tied(std::vector<TokenId>& piece);
  void push_candidate(uint32_t at);
  void link(const std::vector<TokenId>& piece);
  void collect(std::vector<TokenId>& piece) const;
  void start(const std::vector<TokenId>& piece);
  void find_pair(uint32_t at);
  void remove_pair(uint32_t at);
  void take_run(uint32_t rank);
  void join(uint32_t at);

  const MergeTable& merges_;
  uint64_t operations_ = 0;
  std::vector<uint32_t> short_ranks_;
  std::vector<Node> nodes_;
  std::vector<uint32_t> heads_;  // (rank limit): first pair of each rank
  RankSet ranks_{0};
  std::vector<uint32_t> taken_;
  std::vector<Run> runs_;
  std::vector<Candidate> heap_;
};

}  // namespace rotor
