// SPDX-License-Identifier: Apache-2.0
// TokenTable: the bytes of every token in one arena, and a hash table from bytes to id. The hash is
// keyed by the content, so that a file cannot be made in which look-ups collide.
#pragma once

#include <rotor/token.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rotor {

// Folds the 128-bit product of a and b: the mixing step of both tables.
uint64_t mix_bits(uint64_t a, uint64_t b);

// Immutable once built; look-ups are thread-safe.
class TokenTable {
 public:
  TokenTable() = default;
  // Tokens for which `findable(id)` is false and empty ones keep their bytes but are not found.
  // Of several with the same bytes the lowest id is found.
  // REQUIRES: fewer than 2^31 tokens and less than 4 GiB of bytes in all.
  TokenTable(std::span<const std::string> tokens, const std::function<bool(TokenId)>& findable);

  size_t size() const { return offsets_.empty() ? 0 : offsets_.size() - 1; }
  // Length in bytes of the longest token that can be found.
  size_t longest() const { return longest_; }
  uint64_t seed() const { return seed_; }
  // The first two tokens that can be found and have the same bytes; kNoToken twice when all differ.
  std::pair<TokenId, TokenId> repeated() const { return repeated_; }

  // REQUIRES: 0 <= id < size(). Valid as long as the table.
  std::string_view bytes(TokenId id) const {
    const size_t i = static_cast<size_t>(id);
    return std::string_view(arena_).substr(offsets_[i], offsets_[i + 1] - offsets_[i]);
  }

  // kNoToken when there is none.
  TokenId find(std::string_view bytes) const;

 private:
  struct Slot {
    uint32_t tag;  // upper half of the hash
    TokenId id = kNoToken;
  };

  uint64_t hash(std::string_view bytes) const;
  void insert(TokenId id);

  std::string arena_;
  std::vector<uint32_t> offsets_;  // (size + 1)
  std::vector<Slot> slots_;        // a power of two, at most half full
  size_t longest_ = 0;
  std::pair<TokenId, TokenId> repeated_ = {kNoToken, kNoToken};
  uint64_t seed_ = 0;
};

}  // namespace rotor
