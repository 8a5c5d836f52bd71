// SPDX-License-Identifier: Apache-2.0
// Unigram: SentencePiece's unigram model. Of all ways to cut a text into tokens it takes the most
// probable one; a character that no token starts with costs ten more than the least likely token.
#pragma once

#include <rotor/status.h>
#include <rotor/token.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer_spec.h"
#include "text/unknown_text.h"

namespace rotor {

// Tokens as paths from a root, a byte an edge. Immutable; thread-safe.
class TokenTrie {
 public:
  TokenTrie() = default;
  // REQUIRES: ids sorted by the bytes of their tokens, none empty, no two alike.
  TokenTrie(const std::vector<std::string>& tokens, const std::vector<TokenId>& sorted);

  static constexpr uint32_t kRoot = 0;
  static constexpr uint32_t kNowhere = UINT32_MAX;
  // The node that `byte` leads to, or kNowhere.
  uint32_t child(uint32_t node, uint8_t byte) const;
  // The token that ends at the node, or kNoToken.
  TokenId token(uint32_t node) const { return nodes_[node].token; }

 private:
  struct Node {
    uint32_t first_edge;
    uint32_t edge_count;
    TokenId token;
  };
  std::vector<Node> nodes_;
  std::vector<uint8_t> edge_bytes_;  // ascending within a node
  std::vector<uint32_t> edge_nodes_;
};

// Immutable; encode() may be called from several threads.
class Unigram {
 public:
  Unigram() = default;
  // kFormatError when scores and tokens contradict each other, or a token is longer than 512 bytes,
  // which bounds the work per byte of text.
  static Result<Unigram> create(const TokenizerSpec& spec);

  // Appends the tokens of `text`; 16 to 24 bytes of memory for each byte. kUnsupported as
  // UnknownText.
  Status encode(std::string_view text, std::vector<TokenId>& ids) const;

 private:
  template <typename Score>
  Status encode_as(std::string_view text, std::vector<TokenId>& ids) const;

  TokenTrie trie_;
  std::vector<double> scores_;
  double unknown_score_ = 0;
  bool single_precision_ = false;
  UnknownText unknown_;
};

}  // namespace rotor
