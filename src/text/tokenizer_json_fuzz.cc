// SPDX-License-Identifier: Apache-2.0
// Fuzz target: a tokenizer.json, and text through the tokenizer it makes. The text is what follows
// the first NUL byte, which no JSON file has.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "text/detokenizer.h"
#include "text/tokenizer.h"
#include "text/tokenizer_json.h"

namespace {

using rotor::TokenId;

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

void encode_and_decode(const rotor::Tokenizer& tokenizer, std::string_view text, bool exact) {
  for (const bool parse_special : {false, true}) {
    rotor::EncodeOptions options;
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
    rotor::Detokenizer detokenizer(tokenizer, false);
    for (const TokenId id : *ids) {
      require(parse_special || !tokenizer.is_control(id));
      (void)detokenizer.push(id);
    }
    (void)detokenizer.flush();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(input.find('\0'), input.size());
  auto spec = rotor::parse_tokenizer_json(input.substr(0, end), "fuzz");
  if (!spec.ok()) {
    require(!spec.status().message().empty());
    return 0;
  }
  // What may lose text, and says so: normalising, swallowed white space, an unknown token.
  const bool exact = !spec->normalize_nfc && spec->strip_left.empty() &&
                     spec->strip_right.empty() && spec->unk == rotor::kNoToken;
  const auto tokenizer = rotor::Tokenizer::create(*std::move(spec));
  if (!tokenizer.ok()) {
    require(!tokenizer.status().message().empty());
    return 0;
  }
  for (TokenId id = -1; id <= static_cast<TokenId>(tokenizer->size()); ++id) {
    (void)tokenizer->token_bytes(id);
  }
  encode_and_decode(*tokenizer, end < size ? input.substr(end + 1) : input, exact);
  return 0;
}
