// SPDX-License-Identifier: Apache-2.0
// SentencePiece merges strings: two neighbours join when the text of both is a token, even if one of
// them, a single character, is none. Such characters are symbols of their own here. A character in
// no token at all ends the piece before it, for nothing merges with it.
#include "text/character_bpe.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "text/unicode.h"

namespace rotor {
namespace {

Status check_scores(const TokenizerSpec& spec) {
  if (spec.scores.size() != spec.tokens.size()) {
    return format_error(fmt::format("{}: {} scores for {} tokens; expected as many", spec.source,
                                    spec.scores.size(), spec.tokens.size()));
  }
  const auto odd = std::find_if_not(spec.scores.begin(), spec.scores.end(),
                                    [](double score) { return std::isfinite(score); });
  if (odd != spec.scores.end()) {
    return format_error(fmt::format("{}: the score of token {} is {}; expected a finite number",
                                    spec.source, odd - spec.scores.begin(), *odd));
  }
  return Status::ok_status();
}

// Characters of ordinary tokens that are no tokens themselves.
std::set<std::string> lone_characters(const TokenizerSpec& spec, const std::vector<bool>& ordinary,
                                      const TokenTable& tokens) {
  std::set<std::string> lone;
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    const std::string_view token = spec.tokens[id];
    for (size_t at = 0; ordinary[id] && at < token.size();) {
      const std::string_view character = token.substr(at, decode_utf8(token, at).length);
      if (tokens.find(character) == kNoToken) {
        lone.emplace(character);
      }
      at += character.size();
    }
  }
  return lone;
}

bool has_space_inside(std::string_view token, std::string_view mark) {
  size_t at = 0;
  while (token.substr(at).starts_with(mark)) {
    at += mark.size();
  }
  return token.find(mark, at) != std::string_view::npos;
}

}  // namespace

Result<CharacterBpe> CharacterBpe::create(const TokenizerSpec& spec) {
  CharacterBpe bpe;
  const std::vector<bool> ordinary = ordinary_tokens(spec);
  const auto is_ordinary = [&](TokenId id) {
    return static_cast<size_t>(id) >= ordinary.size() || ordinary[static_cast<size_t>(id)];
  };
  bpe.token_count_ = static_cast<TokenId>(spec.tokens.size());
  bpe.symbols_ = TokenTable(spec.tokens, is_ordinary);
  if (spec.scores.empty()) {
    ROTOR_ASSIGN(bpe.merges_, MergeTable::from_list(spec.merges, bpe.symbols_, spec.source));
  } else {
    ROTOR_TRY(check_scores(spec));
    const std::set<std::string> lone = lone_characters(spec, ordinary, bpe.symbols_);
    if (!lone.empty()) {
      std::vector<std::string> symbols = spec.tokens;
      symbols.insert(symbols.end(), lone.begin(), lone.end());
      bpe.symbols_ = TokenTable(symbols, is_ordinary);
    }
    ROTOR_ASSIGN(bpe.merges_, MergeTable::from_scores(spec.scores, bpe.symbols_, spec.source));
  }
  bpe.unknown_ = UnknownText(spec);
  bpe.space_mark_ = spec.space_mark;
  bpe.spaces_start_pieces_ = !spec.space_mark.empty();
  for (size_t id = 0; bpe.spaces_start_pieces_ && id < spec.tokens.size(); ++id) {
    bpe.spaces_start_pieces_ = !ordinary[id] || !has_space_inside(spec.tokens[id], spec.space_mark);
  }
  return bpe;
}

// The state of one text.
class CharacterBpe::Encoder {
 public:
  Encoder(const CharacterBpe& bpe, BpeMerger& merger, std::vector<TokenId>& ids)
      : bpe_(bpe), merger_(merger), ids_(ids) {}

  Status run(std::string_view text);

 private:
  Status flush();

  const CharacterBpe& bpe_;
  BpeMerger& merger_;
  std::vector<TokenId>& ids_;
  std::vector<TokenId> symbols_;  // not merged yet
  bool after_unknown_ = false;
};

Status CharacterBpe::Encoder::run(std::string_view text) {
  bool after_mark = true;
  for (size_t at = 0; at < text.size();) {
    const std::string_view character = text.substr(at, decode_utf8(text, at).length);
    at += character.size();
    const bool is_mark = character == bpe_.space_mark_;
    if (bpe_.spaces_start_pieces_ && is_mark && !after_mark) {
      ROTOR_TRY(flush());
    }
    after_mark = is_mark;
    const TokenId symbol = bpe_.symbols_.find(character);
    if (symbol != kNoToken) {
      symbols_.push_back(symbol);
      continue;
    }
    ROTOR_TRY(flush());
    ROTOR_TRY(bpe_.unknown_.add(character, after_unknown_, ids_));
  }
  return flush();
}

// Merges what has come together.
Status CharacterBpe::Encoder::flush() {
  if (symbols_.empty()) {
    return Status::ok_status();
  }
  merger_.merge(symbols_);
  for (const TokenId symbol : symbols_) {
    if (symbol >= bpe_.token_count_) {
      ROTOR_TRY(bpe_.unknown_.add(bpe_.symbols_.bytes(symbol), after_unknown_, ids_));
    } else {
      ids_.push_back(symbol);
      after_unknown_ = false;
    }
  }
  symbols_.clear();
  return Status::ok_status();
}

Status CharacterBpe::encode(std::string_view text, BpeMerger& merger,
                            std::vector<TokenId>& ids) const {
  return Encoder(*this, merger, ids).run(text);
}

}  // namespace rotor
