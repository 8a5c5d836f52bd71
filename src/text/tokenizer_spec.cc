// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer_spec.h"

namespace rotor {
namespace {

// Upper-case hexadecimal, as SentencePiece writes it; -1 for any other character.
int hex_digit(char c) {
  return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

}  // namespace

std::string_view tokenizer_model_name(TokenizerModel model) {
  switch (model) {
    case TokenizerModel::kByteBpe:
      return "byte-level BPE";
    case TokenizerModel::kCharacterBpe:
      return "SentencePiece BPE";
    case TokenizerModel::kUnigram:
      return "SentencePiece unigram";
  }
  return "unknown";
}

std::vector<bool> ordinary_tokens(const TokenizerSpec& spec) {
  std::vector<bool> ordinary(spec.kinds.size());
  for (size_t id = 0; id < ordinary.size(); ++id) {
    ordinary[id] = spec.kinds[id] == TokenKind::kNormal;
  }
  for (const AddedText& token : spec.shared) {
    ordinary[static_cast<size_t>(token.id)] = true;
  }
  return ordinary;
}

std::optional<uint8_t> byte_of_token(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') {
    return std::nullopt;
  }
  const int high = hex_digit(token[3]);
  const int low = hex_digit(token[4]);
  if (high < 0 || low < 0) {
    return std::nullopt;
  }
  return static_cast<uint8_t>(16 * high + low);
}

}  // namespace rotor
