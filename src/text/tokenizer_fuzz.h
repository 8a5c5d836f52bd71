// SPDX-License-Identifier: Apache-2.0
// For the fuzz targets of tokenizer files: what must hold for every tokenizer and text.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "text/detokenizer.h"
#include "text/tokenizer.h"

namespace rotor::fuzz {

inline void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

// The input of these targets: a tokenizer file, then, after the first NUL byte, a text. Without one
// the file is the text too.
inline std::pair<std::string_view, std::string_view> file_and_text(std::string_view input) {
  const size_t end = std::min(input.find('\0'), input.size());
  return {input.substr(0, end), end < input.size() ? input.substr(end + 1) : input};
}

// Encoding fails with a message, or gives ids that decode, to the same text if `exact`.
inline void encode_and_decode(const Tokenizer& tokenizer, std::string_view text, bool exact) {
  for (const bool parse_special : {false, true}) {
    EncodeOptions options;
    options.add_bos = false;
    options.add_eos = false;
    options.parse_special = parse_special;
    const auto ids = tokenizer.encode(text, options);
    if (!ids.ok()) {
      require(!ids.status().message().empty());
      return;
    }
    const auto decoded = tokenizer.decode(*ids);
    require(decoded.ok());
    require(!exact || *decoded == text);
    Detokenizer detokenizer(tokenizer, false);
    for (const TokenId id : *ids) {
      require(parse_special || !tokenizer.is_control(id) || id == tokenizer.unk());
      (void)detokenizer.push(id);
    }
    (void)detokenizer.flush();
  }
}

// The tokenizer that `spec` makes, with every id and with `text`.
inline void use_tokenizer(TokenizerSpec spec, std::string_view text) {
  // What may lose text, and says so: normalising, swallowed white space, an unknown token.
  const bool exact = spec.model == TokenizerModel::kByteBpe && spec.normalizers.empty() &&
                     spec.strip_left.empty() && spec.strip_right.empty() && spec.unk == kNoToken;
  const auto tokenizer = Tokenizer::create(std::move(spec));
  if (!tokenizer.ok()) {
    require(!tokenizer.status().message().empty());
    return;
  }
  for (TokenId id = -1; id <= static_cast<TokenId>(tokenizer->size()); ++id) {
    (void)tokenizer->token_bytes(id);
  }
  encode_and_decode(*tokenizer, text, exact);
}

}  // namespace rotor::fuzz
