// SPDX-License-Identifier: Apache-2.0
// UnknownText: what becomes of characters that have no token: the tokens of their bytes, or the
// unknown token.
#pragma once

#include <rotor/status.h>
#include <rotor/token.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer_spec.h"

namespace rotor {

// Immutable; thread-safe.
class UnknownText {
 public:
  UnknownText() = default;
  explicit UnknownText(const TokenizerSpec& spec);

  // Appends the tokens of `character`. `after_unknown`: whether the last id is the unknown token
  // for the character just before; kept up to date here, to be reset by whoever appends another id.
  // kUnsupported when there is neither.
  Status add(std::string_view character, bool& after_unknown, std::vector<TokenId>& ids) const;

 private:
  bool has_bytes(std::string_view character) const;

  std::array<TokenId, 256> byte_tokens_{};  // kNoToken where there is none
  bool byte_fallback_ = false;
  bool fuse_ = false;
  TokenId unk_ = kNoToken;
  std::string source_;
};

}  // namespace rotor
