// SPDX-License-Identifier: Apache-2.0
// Detokenizer: tokens to text as they come. Gives out only whole characters: the first bytes of an
// unfinished one wait for the next token. Bytes that cannot be UTF-8 come out as U+FFFD, one for
// each maximal subpart (WHATWG Encoding Standard), exactly as if the whole text were decoded at
// once.
#pragma once

#include <rotor/token.h>

#include <string>
#include <string_view>

#include "text/tokenizer.h"

namespace rotor {

// Valid UTF-8 out of a stream of bytes. One stream, one thread.
class Utf8Stream {
 public:
  // What can be said after these bytes; holds back at most 3.
  std::string push(std::string_view bytes);
  // The end of the stream: U+FFFD for what is held back, if anything is. Starts anew.
  std::string flush();
  size_t held_back() const { return held_.size(); }

 private:
  std::string held_;
};

// One sequence, one thread. The tokenizer must outlive it.
class Detokenizer {
 public:
  explicit Detokenizer(const Tokenizer& tokenizer, bool skip_special = true)
      : tokenizer_(tokenizer), skip_special_(skip_special) {}

  // The text that `id` completes, maybe empty. Ids outside the vocabulary give nothing.
  std::string push(TokenId id);
  std::string flush() { return stream_.flush(); }

 private:
  const Tokenizer& tokenizer_;
  bool skip_special_;
  Utf8Stream stream_;
};

}  // namespace rotor
