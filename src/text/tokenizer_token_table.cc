// SPDX-License-Identifier: Apache-2.0
// Open addressing with linear probing over the arena of token bytes.
#include "text/tokenizer_token_table.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace rotor {
namespace {

constexpr uint64_t kMultiplier = 0x9E3779B97F4A7C15;  // 2^64 divided by the golden ratio

uint64_t hash_bytes(std::string_view bytes, uint64_t seed) {
  uint64_t h = seed ^ bytes.size();
  while (bytes.size() > 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data(), 8);
    h = mix_bits(h ^ word, kMultiplier);
    bytes.remove_prefix(8);
  }
  uint64_t word = 0;
  std::memcpy(&word, bytes.data(), bytes.size());
  return mix_bits(mix_bits(h ^ word, kMultiplier), kMultiplier);
}

}  // namespace

uint64_t mix_bits(uint64_t a, uint64_t b) {
  __extension__ using Product = unsigned __int128;
  const Product product = static_cast<Product>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

TokenTable::TokenTable(std::span<const std::string> tokens,
                       const std::function<bool(TokenId)>& findable) {
  size_t bytes = 0;
  for (const std::string& token : tokens) {
    bytes += token.size();
  }
  arena_.reserve(bytes);
  offsets_.reserve(tokens.size() + 1);
  offsets_.push_back(0);
  for (const std::string& token : tokens) {
    arena_ += token;
    offsets_.push_back(static_cast<uint32_t>(arena_.size()));
  }
  seed_ = hash_bytes(arena_, kMultiplier);
  std::vector<TokenId> found;
  for (TokenId id = 0; id < static_cast<TokenId>(tokens.size()); ++id) {
    if (!tokens[static_cast<size_t>(id)].empty() && findable(id)) {
      found.push_back(id);
    }
  }
  slots_.resize(std::bit_ceil(2 * found.size() + 1));
  for (const TokenId id : found) {
    insert(id);
  }
}

uint64_t TokenTable::hash(std::string_view bytes) const { return hash_bytes(bytes, seed_); }

void TokenTable::insert(TokenId id) {
  const std::string_view token = bytes(id);
  const uint64_t h = hash(token);
  const uint32_t tag = static_cast<uint32_t>(h >> 32);
  size_t at = h & (slots_.size() - 1);
  for (; slots_[at].id != kNoToken; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].tag == tag && bytes(slots_[at].id) == token) {
      repeated_ = repeated_.first == kNoToken ? std::pair(slots_[at].id, id) : repeated_;
      return;
    }
  }
  slots_[at] = {tag, id};
  longest_ = std::max(longest_, token.size());
}

TokenId TokenTable::find(std::string_view wanted) const {
  if (wanted.size() > longest_ || wanted.empty()) {
    return kNoToken;
  }
  const uint64_t h = hash(wanted);
  const uint32_t tag = static_cast<uint32_t>(h >> 32);
  for (size_t at = h & (slots_.size() - 1); slots_[at].id != kNoToken;
       at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].tag == tag && bytes(slots_[at].id) == wanted) {
      return slots_[at].id;
    }
  }
  return kNoToken;
}

}  // namespace rotor
