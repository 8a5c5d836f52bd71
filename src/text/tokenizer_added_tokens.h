// SPDX-License-Identifier: Apache-2.0
// AddedTokenMatcher: finds the tokens that are recognised as they stand, before text is split:
// control tokens (only where the text is trusted) and user-defined ones (everywhere).
#pragma once

#include <rotor/status.h>
#include <rotor/token.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer_spec.h"

namespace rotor {

// Longer added tokens are refused: it bounds the work per byte of text.
inline constexpr size_t kMaxAddedTokenBytes = 512;

// Immutable once built.
class AddedTokenMatcher {
 public:
  struct Match {
    TokenId id = kNoToken;
    size_t length = 0;  // bytes; 0: no match
  };

  // The control and user-defined tokens of `spec` that are recognised in text as it is: all but
  // those in `spec.normalized`. kFormatError when two have the same bytes or one is too long.
  static Result<AddedTokenMatcher> create(const TokenizerSpec& spec);
  // The texts of user-defined tokens. The same errors, with `source` in front.
  static Result<AddedTokenMatcher> from_texts(const std::vector<AddedText>& texts,
                                              const std::string& source);

  // The longest token at byte `at`; control tokens only when they end by `trusted_end`.
  // REQUIRES: at < text.size().
  Match longest(std::string_view text, size_t at, size_t trusted_end) const;

  bool empty() const { return entries_.empty(); }

  // Whether any token starts with this byte.
  bool may_start(char first) const { return first_[static_cast<uint8_t>(first)]; }

  // The token with exactly these bytes, or kNoToken.
  TokenId find(std::string_view bytes) const;

 private:
  struct Entry {
    std::string bytes;
    TokenId id;
    bool control;
  };

  static Result<AddedTokenMatcher> from_entries(std::vector<Entry> entries,
                                                const std::string& source);

  std::vector<Entry> entries_;  // sorted by bytes
  std::array<bool, 256> first_{};
};

}  // namespace rotor
