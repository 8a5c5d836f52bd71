// SPDX-License-Identifier: Apache-2.0
// Tokenizer::Encoding: the way of one text through a tokenizer: added tokens are cut out, what lies
// between is normalised, cut again, split into pieces, and each piece becomes tokens.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace rotor {

class Tokenizer::Encoding {
 public:
  explicit Encoding(const Tokenizer& tokenizer)
      : t_(tokenizer), merger_(tokenizer.merges()) {}

  // `trusted`: ascending stretches of `text` that do not touch.
  Status run(std::string_view text, std::span<const Stretch> trusted);
  std::vector<TokenId>& ids() { return ids_; }

 private:
  // Appends the tokens that `matcher` finds in `text`; hands what lies between, and whether it
  // starts the text, to `add_between`.
  template <typename AddBetween>
  Status cut(std::string_view text, const AddedTokenMatcher& matcher,
             std::span<const Stretch> trusted, AddBetween add_between);
  // `at_start`: the whole text starts with it.
  Status add_text(std::string_view text, bool at_start);
  Status add_normalized(std::string_view text, bool at_start);
  Status add_piece(std::string_view piece);
  Status add_bytes(std::string_view piece);

  const Tokenizer& t_;
  BpeMerger merger_;
  std::vector<size_t> ends_;
  std::vector<TokenId> piece_;
  std::vector<TokenId> ids_;
};

}  // namespace rotor
