// SPDX-License-Identifier: Apache-2.0
// CharacterBpe: SentencePiece's BPE. Text starts as its characters; the merges join them; what is
// left without a token falls back to bytes.
#pragma once

#include <rotor/status.h>
#include <rotor/token.h>

#include <string>
#include <string_view>
#include <vector>

#include "text/bpe.h"
#include "text/bpe_merge_table.h"
#include "text/tokenizer_spec.h"
#include "text/tokenizer_token_table.h"
#include "text/unknown_text.h"

namespace rotor {

// Immutable; encode() may be called from several threads.
class CharacterBpe {
 public:
  CharacterBpe() = default;
  // kFormatError when scores and tokens contradict each other.
  static Result<CharacterBpe> create(const TokenizerSpec& spec);

  // The merges, as ids of symbols: tokens, and from size() of the tokens on characters that have no
  // token but are part of one.
  const MergeTable& merges() const { return merges_; }

  // Appends the tokens of `text`. `merger` works on merges(). kUnsupported as UnknownText.
  Status encode(std::string_view text, BpeMerger& merger, std::vector<TokenId>& ids) const;

 private:
  class Encoder;

  TokenTable symbols_;
  MergeTable merges_;
  UnknownText unknown_;
  TokenId token_count_ = 0;
  std::string space_mark_;
  // No token has a space after another character, so no merge crosses that place.
  bool spaces_start_pieces_ = false;
};

}  // namespace rotor
