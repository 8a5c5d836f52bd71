// SPDX-License-Identifier: Apache-2.0
#include "text/gguf_sentencepiece_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <tuple>

#include "text/gguf_sentencepiece.h"

namespace rotor {
namespace {

Status refuse(const TokenizerSpec& spec, std::string_view what) {
  return unsupported(fmt::format("{}: GGUF's tokenizer model llama cannot say {}; a .rotor file can hold "
                                 "it", spec.source, what));
}

Status check_rules(const TokenizerSpec& spec) {
  if (spec.model == TokenizerModel::kUnigram) {
    return refuse(spec, "that a SentencePiece tokenizer is of the kind unigram");
  }
  if (!spec.sentencepiece->charsmap.empty()) {
    return refuse(spec, "which characters a tokenizer replaces (precompiled_charsmap)");
  }
  if (!spec.normalized.empty()) {
    return refuse(spec, "that user-defined pieces are found after normalising");
  }
  return Status::ok_status();
}

int32_t type_of(const TokenizerSpec& spec, size_t id) {
  switch (spec.kinds[id]) {
    case TokenKind::kNormal: return 1;
    case TokenKind::kControl: return static_cast<TokenId>(id) == spec.unk ? 2 : 3;
    case TokenKind::kUserDefined: return 4;
    case TokenKind::kUnused: return 5;
    case TokenKind::kByte: return 6;
  }
  return 5;
}

void add_tokens(const TokenizerSpec& spec, size_t rows, GgufVocabulary& out) {
  for (size_t id = 0; id < rows; ++id) {
    const bool used = id < spec.tokens.size() && !spec.tokens[id].empty();
    out.tokens.push_back(used ? spec.tokens[id] : fmt::format("[PAD{}]", id));
    out.types.push_back(used ? type_of(spec, id) : 5);
    out.scores.push_back(used ? static_cast<float>(spec.scores[id]) : 0.0f);
  }
}

std::optional<int64_t> id_or_none(TokenId id) {
  return id == kNoToken ? std::nullopt : std::optional<int64_t>(id);
}

// What reads back otherwise; empty when nothing does.
std::string_view difference(const TokenizerSpec& spec, const TokenizerSpec& again) {
  const size_t size = spec.tokens.size();
  const auto starts_with = [size](const auto& all, const auto& part) {
    return std::equal(part.begin(), part.begin() + static_cast<ptrdiff_t>(size), all.begin());
  };
  if (!starts_with(again.kinds, spec.kinds)) {
    return "the kinds of its tokens";
  }
  if (!starts_with(again.scores, spec.scores)) {
    return "scores beyond binary32";
  }
  if (std::tuple(again.bos, again.eos, again.unk) != std::tuple(spec.bos, spec.eos, spec.unk)) {
    return "which tokens begin and end a text or stand for unknown ones";
  }
  if (again.byte_fallback != spec.byte_fallback || again.fuse_unk != spec.fuse_unk) {
    return "what becomes of characters without a token";
  }
  if (again.first_space != spec.first_space || again.space_mark != spec.space_mark) {
    return "which space decoding leaves out";
  }
  return "";
}

}  // namespace

Result<GgufVocabulary> gguf_from_sentencepiece(const TokenizerSpec& spec, size_t rows,
                                               std::vector<std::string>& notes) {
  ROTOR_TRY(check_rules(spec));
  if (spec.tokens.size() > rows) {
    return refuse(spec, fmt::format("{} tokens beside an embedding of {} rows", spec.tokens.size(), rows));
  }
  GgufVocabulary out;
  out.name = spec.source;
  out.model = "llama";
  out.pre = "default";
  add_tokens(spec, rows, out);
  out.bos = id_or_none(spec.bos);
  out.eos = id_or_none(spec.eos);
  out.eot = id_or_none(spec.eot);
  out.unk = id_or_none(spec.unk);
  out.add_bos = spec.add_bos;
  out.add_eos = spec.add_eos;
  out.add_space_prefix = spec.sentencepiece->add_dummy_prefix;
  out.remove_extra_whitespaces = spec.sentencepiece->remove_extra_whitespaces;
  ROTOR_ASSIGN(const TokenizerSpec again, sentencepiece_from_gguf(out));
  if (const std::string_view what = difference(spec, again); !what.empty()) {
    return refuse(spec, what);
  }
  if (spec.sentencepiece->remove_extra_whitespaces) {
    notes.push_back("the tokenizer makes white space single, which llama.cpp does not: text with more "
                    "of it gets other tokens there");
  }
  if (!spec.strip_left.empty() || !spec.strip_right.empty() || !spec.single_word.empty()) {
    notes.push_back("added tokens that swallow white space or want whole words are recognised "
                    "everywhere: a GGUF file has no place for that");
  }
  return out;
}

}  // namespace rotor
