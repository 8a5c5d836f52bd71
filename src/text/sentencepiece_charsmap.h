// SPDX-License-Identifier: Apache-2.0
// SentencePieceCharsmap: the table of replacements in a SentencePiece model (precompiled_charsmap),
// by which it folds compatibility characters, kinds of spaces and the like. Byte layout:
//   u32 LE                size of the trie in bytes, a multiple of 4
//   u32 LE per unit       the trie: a double array in the form of darts-clone
//   bytes                 the replacements, each ended by a NUL byte; a leaf holds an offset here
#pragma once

#include <rotor/status.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rotor {

// Immutable; look-ups are thread-safe.
class SentencePieceCharsmap {
 public:
  SentencePieceCharsmap() = default;  // replaces nothing
  // kFormatError says what is wrong. Empty bytes replace nothing.
  static Result<SentencePieceCharsmap> create(std::string_view bytes, const std::string& source);

  struct Match {
    size_t length = 0;  // bytes of text replaced; 0: none
    std::string_view replacement;  // valid as long as the map
  };
  // The longest key that `text` starts with.
  Match longest(std::string_view text) const;

 private:
  std::vector<uint32_t> units_;
  std::string replacements_;  // ends in NUL
};

}  // namespace rotor
