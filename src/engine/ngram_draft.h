// SPDX-License-Identifier: Apache-2.0
// NgramDraft: a draft of the next tokens of a text from the text itself: what followed the last time
// that its end occurred before (prompt lookup, github.com/apoorvumang/prompt-lookup-decoding). Good
// where a text repeats, quotes or edits what it was given; costs a few look-ups where not.
#pragma once

#include <rotor/token.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace rotor {

class NgramDraft {
 public:
  // How many tokens of the end were found again: a longer match is likelier to go on.
  enum class Match : uint8_t { kNone, kShort, kLong };
  static constexpr size_t kShort = 2;
  static constexpr size_t kLong = 4;

  // Sets tokens() to `count` tokens that may follow `history`, or to none. Each call's history begins
  // with that of the call before.
  Match propose(std::span<const TokenId> history, size_t count);

  std::span<const TokenId> tokens() const { return tokens_; }

 private:
  // Where the tokens after an n-gram begin: the last place so far.
  class Index {
   public:
    explicit Index(size_t length) : length_(length) {}
    // Remembers every n-gram of `history` that has a token after it.
    void extend(std::span<const TokenId> history);
    // The place after the n-gram that `history` ends with; 0: not found.
    size_t find(std::span<const TokenId> history) const;

   private:
    uint64_t key(std::span<const TokenId> history, size_t end) const;

    size_t length_;
    size_t next_ = 0;  // end of the first n-gram not remembered
    std::unordered_map<uint64_t, uint32_t> places_;
  };

  Index short_{kShort};
  Index long_{kLong};
  std::vector<TokenId> tokens_;
};

}  // namespace rotor
