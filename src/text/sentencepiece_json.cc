// SPDX-License-Identifier: Apache-2.0
#include "text/sentencepiece_json.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "text/bpe_merge_table.h"
#include "text/tokenizer_token_table.h"
#include "text/unicode.h"

namespace rotor {
namespace {

Status refuse(const TokenizerSpec& spec, std::string_view what) {
  return unsupported(fmt::format("{}: tokenizer.json, from which transformers reads it, cannot say "
                                 "what a SentencePiece tokenizer {} does to text; a .rotor file keeps it "
                                 "as it is", spec.source, what));
}

Status check_rules(const TokenizerSpec& spec) {
  if (spec.model == TokenizerModel::kUnigram) {
    return refuse(spec, "of the kind unigram, which adds up in binary32,");
  }
  if (!spec.sentencepiece->charsmap.empty()) {
    return refuse(spec, "that replaces characters (precompiled_charsmap)");
  }
  if (spec.sentencepiece->remove_extra_whitespaces) {
    return refuse(spec, "with remove_extra_whitespaces");
  }
  if (!spec.normalized.empty()) {
    return refuse(spec, "with user-defined pieces, found after normalising,");
  }
  return Status::ok_status();
}

// SentencePiece joins characters that are no tokens themselves; a list of merges joins tokens alone.
Status check_characters(const TokenizerSpec& spec, const TokenTable& tokens) {
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    const std::string& token = spec.tokens[id];
    for (size_t at = 0; spec.kinds[id] == TokenKind::kNormal && at < token.size();) {
      const size_t length = decode_utf8(token, at).length;
      if (tokens.find(std::string_view(token).substr(at, length)) == kNoToken) {
        return refuse(spec, fmt::format("whose token {} has a character that is no token",
                                        printable(token)));
      }
      at += length;
    }
  }
  return Status::ok_status();
}

NormalizerStep step(NormalizerKind kind, std::string from) {
  return {kind, std::move(from), std::string(kSpaceMark), false, false};
}

}  // namespace

Result<TokenizerSpec> sentencepiece_as_json(const TokenizerSpec& spec) {
  ROTOR_TRY(check_rules(spec));
  const TokenTable tokens(spec.tokens, [&](TokenId id) {
    return spec.kinds[static_cast<size_t>(id)] == TokenKind::kNormal;
  });
  ROTOR_TRY(check_characters(spec, tokens));
  TokenizerSpec out = spec;
  ROTOR_ASSIGN(out.merges, merges_from_scores(spec.scores, tokens, spec.source));
  out.scores.clear();
  out.single_precision = false;
  out.sentencepiece.reset();
  if (spec.sentencepiece->add_dummy_prefix) {
    out.normalizers.push_back(step(NormalizerKind::kPrepend, ""));
  }
  out.normalizers.push_back(step(NormalizerKind::kReplace, " "));
  return out;
}

}  // namespace rotor
