// SPDX-License-Identifier: Apache-2.0
// NgramDraft: a draft of the next tokens of a text from the text itself: what followed where its end
// occurred before (prompt lookup, github.com/apoorvumang/prompt-lookup-decoding). Good where a text
// repeats, quotes or edits what it was given; costs a few look-ups where not.
#pragma once

#include <rotor/token.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace rotor {

class NgramDraft {
 public:
  static constexpr size_t kShortest = 2;  // tokens of the end that are looked up
  static constexpr size_t kLongest = 16;  // a longer match counts as one of so many

  // For texts of up to `positions` tokens; longer ones take memory as they grow.
  explicit NgramDraft(size_t positions);

  // Sets tokens() to `count` tokens that may follow `history`, or to none. Each call's history begins
  // with that of the call before. Its time does not grow with the history, but for what is new in it.
  void propose(std::span<const TokenId> history, size_t count);

  std::span<const TokenId> tokens() const { return tokens_; }
  // How many tokens before the place that tokens() are copied from are those at the end of `history`.
  // 0: none are; the place is the one that follows from where the text was copied from before.
  size_t match() const { return match_; }

 private:
  void remember(std::span<const TokenId> history);
  size_t find(std::span<const TokenId> history);

  // Chains as in deflate: the last place after each pair of tokens (by a hash of it), and for each
  // place the one before it with the same hash; 0: none.
  std::vector<uint32_t> last_;
  std::vector<uint32_t> previous_;
  // Where a text was copied from so far: position copied_at_ of it was like position copied_to_.
  size_t copied_at_ = 0;  // 0: nowhere
  size_t copied_to_ = 0;
  size_t match_ = 0;
  std::vector<TokenId> tokens_;
};

}  // namespace rotor
