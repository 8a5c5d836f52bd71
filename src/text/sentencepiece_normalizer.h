// SPDX-License-Identifier: Apache-2.0
// SentencePieceNormalizer: the normalisation of a SentencePiece model: replacements of characters,
// white space made single and taken from the ends, a space in front, spaces as U+2581.
#pragma once

#include <rotor/status.h>

#include <string>
#include <string_view>

#include "text/sentencepiece_charsmap.h"
#include "text/tokenizer_added_tokens.h"
#include "text/tokenizer_spec.h"

namespace rotor {

// Immutable; apply() may be called from several threads.
class SentencePieceNormalizer {
 public:
  static Result<SentencePieceNormalizer> create(const SentencePieceRules& rules,
                                                const std::string& source);

  // Bytes that are not UTF-8 stay, where sentencepiece puts U+FFFD. Stops when there are more than
  // `limit` bytes.
  std::string apply(std::string_view text, size_t limit) const;

 private:
  struct Step {
    size_t length;  // bytes of text
    std::string_view normalized;
  };
  Step next(std::string_view text, size_t at) const;

  SentencePieceCharsmap charsmap_;
  AddedTokenMatcher protected_;
  bool add_dummy_prefix_ = true;
  bool remove_extra_whitespaces_ = true;
};

}  // namespace rotor
