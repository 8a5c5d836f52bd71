// SPDX-License-Identifier: Apache-2.0
// As llama.cpp reads these files: a space in front of every stretch of text unless the file says
// otherwise, no other normalisation, added tokens found in the text as it is.
#include "text/gguf_sentencepiece.h"

#include <fmt/format.h>

#include <cmath>

#include "text/unicode.h"

namespace rotor {
namespace {

// What the keys default to, where such a control token exists.
constexpr TokenId kUnknown = 0;
constexpr TokenId kBegin = 1;
constexpr TokenId kEnd = 2;

Status check_scores(const GgufVocabulary& v) {
  if (v.scores.size() != v.tokens.size()) {
    return format_error(
        fmt::format("{}: tokenizer.ggml.scores has {} elements; expected {}, as "
                    "tokenizer.ggml.tokens: the merges of a \"llama\" tokenizer follow from them",
                    v.name, v.scores.size(), v.tokens.size()));
  }
  for (size_t id = 0; id < v.scores.size(); ++id) {
    if (!std::isfinite(v.scores[id])) {
      return format_error(fmt::format("{}: tokenizer.ggml.scores[{}] is {}; expected a finite number",
                                      v.name, id, v.scores[id]));
    }
  }
  return Status::ok_status();
}

Status add_token(const GgufVocabulary& v, size_t id, TokenizerSpec& spec) {
  const std::string& text = v.tokens[id];
  ROTOR_ASSIGN(TokenKind kind, gguf_token_kind(v, id));
  if (v.types.empty() && byte_of_token(text)) {
    kind = TokenKind::kByte;
  }
  if (kind == TokenKind::kByte && !byte_of_token(text)) {
    return format_error(fmt::format("{}: tokenizer.ggml.tokens[{}] is {}, of the type of bytes; "
                                    "expected <0x00> to <0xFF>",
                                    v.name, id, printable(text)));
  }
  spec.byte_fallback = spec.byte_fallback || kind == TokenKind::kByte;
  spec.tokens.push_back(text);
  spec.kinds.push_back(kind);
  spec.scores.push_back(v.scores[id]);
  return Status::ok_status();
}

// Control tokens of the usual places, where the keys are missing.
void set_default_ids(TokenizerSpec& spec) {
  const auto set = [&](TokenId id, TokenId& out) {
    const size_t at = static_cast<size_t>(id);
    if (out == kNoToken && at < spec.kinds.size() && spec.kinds[at] == TokenKind::kControl) {
      out = id;
    }
  };
  set(kUnknown, spec.unk);
  set(kBegin, spec.bos);
  set(kEnd, spec.eos);
}

}  // namespace

Result<TokenizerSpec> sentencepiece_from_gguf(const GgufVocabulary& v) {
  TokenizerSpec spec;
  spec.source = v.name + " (GGUF)";
  spec.model = TokenizerModel::kCharacterBpe;
  ROTOR_TRY(check_gguf_types(v));
  ROTOR_TRY(check_scores(v));
  for (size_t id = 0; id < v.tokens.size(); ++id) {
    ROTOR_TRY(add_token(v, id, spec));
  }
  ROTOR_TRY(set_gguf_ids(v, spec));
  set_default_ids(spec);
  spec.sentencepiece.emplace();
  spec.sentencepiece->add_dummy_prefix = v.add_space_prefix.value_or(true);
  spec.sentencepiece->remove_extra_whitespaces = v.remove_extra_whitespaces.value_or(false);
  spec.single_precision = true;
  spec.fuse_unk = true;
  spec.space_mark = kSpaceMark;
  spec.first_space =
      spec.sentencepiece->add_dummy_prefix ? FirstSpace::kDropOne : FirstSpace::kKeep;
  spec.add_bos = v.add_bos.value_or(spec.bos != kNoToken);
  spec.add_eos = v.add_eos.value_or(false);
  return spec;
}

}  // namespace rotor
