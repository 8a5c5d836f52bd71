// SPDX-License-Identifier: Apache-2.0
// MergeTable: which pairs of tokens merge, with what rank, into what. Built from a list of merges,
// or from ranks (tiktoken) or scores (SentencePiece) alone, where every split of a token into two
// tokens is a merge.
#pragma once

#include <rotor/status.h>
#include <rotor/token.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "text/tokenizer_spec.h"
#include "text/tokenizer_token_table.h"

namespace rotor {

inline constexpr uint32_t kNoRank = UINT32_MAX;

// What a pair merges into; rank is kNoRank when it does not merge. Lower ranks go first.
struct Merge {
  uint32_t rank = kNoRank;
  TokenId merged = kNoToken;
};

// Immutable once built; look-ups are thread-safe.
class MergeTable {
 public:
  MergeTable() = default;

  // The list's index is the rank. kFormatError when a merge names an id that `tokens` lacks or
  // cannot be found by its bytes, when the joined bytes are no token, or when a pair repeats.
  static Result<MergeTable> from_list(std::span<const MergePair> merges, const TokenTable& tokens,
                                      const std::string& source);

  // The merged token's id is the rank. kFormatError when the vocabulary splits in so many ways that
  // no training can have made it.
  static Result<MergeTable> from_ranks(const TokenTable& tokens, const std::string& source);

  // The higher the merged token's score, the lower the rank; equal scores have equal ranks.
  // `scores`: by id, finite, for a first part of the tokens at least; the others make no merge but
  // take part in them. kFormatError as from_ranks.
  static Result<MergeTable> from_scores(std::span<const double> scores, const TokenTable& tokens,
                                        const std::string& source);

  Merge find(TokenId left, TokenId right) const;
  size_t size() const { return size_; }
  // Every rank is below this.
  uint32_t rank_limit() const { return rank_limit_; }
  // Whether merges into different tokens have the same rank.
  bool has_ties() const { return has_ties_; }

 private:
  struct Slot {
    uint64_t key = UINT64_MAX;  // left << 32 | right; ids are below 2^31, so never the empty mark
    Merge merge;
  };

  MergeTable(size_t merges, uint32_t rank_limit, uint64_t seed);
  size_t first_slot(uint64_t key) const;
  // False when the pair was there already.
  bool insert(TokenId left, TokenId right, Merge merge);

  std::vector<Slot> slots_;  // a power of two, at most half full
  uint64_t seed_ = 0;
  size_t size_ = 0;
  uint32_t rank_limit_ = 0;
  bool has_ties_ = false;
};

// Every way to split a token of `tokens` into two tokens, sorted by (joined id, left id, right id):
// the list of merges that is equivalent to a tiktoken file. kFormatError as from_ranks.
Result<std::vector<MergePair>> merges_from_ranks(const TokenTable& tokens,
                                                 const std::string& source);

// The list of merges that from_scores() implies, by falling score of the result, then by falling length
// of the left half. `scores`: of all tokens. kFormatError as from_ranks(); kUnsupported where two
// tokens that merges make have the same score.
Result<std::vector<MergePair>> merges_from_scores(std::span<const double> scores,
                                                  const TokenTable& tokens,
                                                  const std::string& source);

}  // namespace rotor
