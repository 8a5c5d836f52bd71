// SPDX-License-Identifier: Apache-2.0
#include "text/unknown_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/unicode.h"

namespace rotor {

UnknownText::UnknownText(const TokenizerSpec& spec)
    : byte_fallback_(spec.byte_fallback),
      fuse_(spec.fuse_unk),
      unk_(spec.unk),
      source_(spec.source) {
  byte_tokens_.fill(kNoToken);
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    if (spec.kinds[id] != TokenKind::kByte) {
      continue;
    }
    if (const auto byte = byte_of_token(spec.tokens[id])) {
      byte_tokens_[*byte] = static_cast<TokenId>(id);
    }
  }
}

bool UnknownText::has_bytes(std::string_view character) const {
  return byte_fallback_ && std::all_of(character.begin(), character.end(), [&](char c) {
           return byte_tokens_[static_cast<uint8_t>(c)] != kNoToken;
         });
}

Status UnknownText::add(std::string_view character, bool& after_unknown,
                        std::vector<TokenId>& ids) const {
  if (has_bytes(character)) {
    for (const char c : character) {
      ids.push_back(byte_tokens_[static_cast<uint8_t>(c)]);
    }
    after_unknown = false;
    return Status::ok_status();
  }
  if (unk_ == kNoToken) {
    return unsupported(fmt::format("{}: the vocabulary has no token for {}, none for its bytes and "
                                   "no unknown token",
                                   source_, printable(character)));
  }
  if (!after_unknown || !fuse_) {
    ids.push_back(unk_);
  }
  after_unknown = true;
  return Status::ok_status();
}

}  // namespace rotor
