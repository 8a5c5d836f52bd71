// SPDX-License-Identifier: Apache-2.0
// Streaming UTF-8.
#include "text/detokenizer.h"

#include "text/unicode.h"

namespace rotor {

std::string Utf8Stream::push(std::string_view bytes) {
  held_ += bytes;
  std::string out;
  size_t at = 0;
  while (at < held_.size()) {
    const Utf8Char c = decode_utf8(held_, at);
    if (c.truncated) {
      break;
    }
    append_utf8(c.code_point, out);
    at += c.length;
  }
  held_.erase(0, at);
  return out;
}

std::string Utf8Stream::flush() {
  std::string out;
  if (!held_.empty()) {
    append_utf8(kReplacementCharacter, out);
  }
  held_.clear();
  return out;
}

std::string Detokenizer::push(TokenId id) {
  if (skip_special_ && tokenizer_.is_control(id)) {
    return {};
  }
  return stream_.push(tokenizer_.token_bytes(id));
}

}  // namespace rotor
