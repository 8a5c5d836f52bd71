// SPDX-License-Identifier: Apache-2.0
// Normalizer: what a tokenizer does to text before it splits it, by the steps of a tokenizer.json or
// by SentencePiece's rules.
#pragma once

#include <rotor/status.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/sentencepiece_normalizer.h"
#include "text/tokenizer_spec.h"

namespace rotor {

// Immutable; apply() may be called from several threads.
class Normalizer {
 public:
  Normalizer() = default;
  // kFormatError when a step or the character map contradicts itself.
  static Result<Normalizer> create(const TokenizerSpec& spec);

  // Whether text stays as it is, whatever it is.
  bool is_identity() const { return steps_.empty() && !sentencepiece_; }

  // Bytes that are not UTF-8 stay. kUnsupported when the text grows beyond normalized_limit().
  Result<std::string> apply(std::string_view text) const;

 private:
  std::vector<NormalizerStep> steps_;
  std::optional<SentencePieceNormalizer> sentencepiece_;
};

// The steps alone; the same limit. REQUIRES: no step replaces the empty text.
Result<std::string> normalize_by_steps(std::string_view text,
                                       const std::vector<NormalizerStep>& steps);

// How many bytes text of `size` bytes may become. The longest decomposition of Unicode is 11 times
// its character; only a file made to fill the memory has longer replacements.
constexpr size_t normalized_limit(size_t size) { return 4096 + 64 * size; }

// The longest prefix, the longest suffix of `text` that is white space, in bytes.
size_t leading_white_space(std::string_view text);
size_t trailing_white_space(std::string_view text);

}  // namespace rotor
