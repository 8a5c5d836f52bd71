// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer_encoding.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "text/unicode.h"

namespace rotor {
namespace {

bool is_in(const std::vector<TokenId>& sorted, TokenId id) {
  return std::binary_search(sorted.begin(), sorted.end(), id);
}

// Whether no character of a word touches bytes [begin, end) of `text`.
bool stands_alone(std::string_view text, size_t begin, size_t end) {
  const std::string_view before = text.substr(0, begin);
  if (!before.empty() &&
      is_word_character(decode_utf8(before, last_character(before)).code_point)) {
    return false;
  }
  return end == text.size() || !is_word_character(decode_utf8(text, end).code_point);
}

void replace_spaces(std::string_view text, const std::string& mark, std::string& out) {
  for (const char c : text) {
    out += c == ' ' ? std::string_view(mark) : std::string_view(&c, 1);
  }
}

}  // namespace

template <typename AddBetween>
Status Tokenizer::Encoding::cut(std::string_view text, const AddedTokenMatcher& matcher,
                                std::span<const Stretch> trusted, AddBetween add_between) {
  size_t done = 0;  // everything before is encoded
  for (size_t at = 0; at < text.size() && !matcher.empty();) {
    while (!trusted.empty() && at >= trusted.front().end) {
      trusted = trusted.subspan(1);
    }
    const bool is_trusted = !trusted.empty() && at >= trusted.front().begin;
    const auto match = matcher.longest(text, at, is_trusted ? trusted.front().end : 0);
    if (match.length == 0) {
      ++at;
      continue;
    }
    const size_t begin = at;
    at += match.length;
    if (is_in(t_.info_.single_word, match.id) && !stands_alone(text, begin, at)) {
      continue;
    }
    std::string_view before = text.substr(done, begin - done);
    if (is_in(t_.info_.strip_left, match.id)) {
      before.remove_suffix(trailing_white_space(before));
    }
    ROTOR_TRY(add_between(before, done == 0));
    ids_.push_back(match.id);
    if (is_in(t_.info_.strip_right, match.id)) {
      at += leading_white_space(text.substr(at));
    }
    done = at;
  }
  return add_between(text.substr(done), done == 0);
}

Status Tokenizer::Encoding::run(std::string_view text, std::span<const Stretch> trusted) {
  return cut(text, t_.added_, trusted, [this](std::string_view between, bool at_start) {
    return add_text(between, at_start);
  });
}

Status Tokenizer::Encoding::add_text(std::string_view text, bool at_start) {
  if (text.empty()) {
    return Status::ok_status();
  }
  std::string normalized;
  if (!t_.normalizer_.is_identity()) {
    ROTOR_ASSIGN(normalized, t_.normalizer_.apply(text));
    text = normalized;
  }
  return cut(text, t_.normalized_, {}, [&](std::string_view between, bool at_begin) {
    return add_normalized(between, at_start && at_begin);
  });
}

Status Tokenizer::Encoding::add_normalized(std::string_view text, bool at_start) {
  std::string marked;
  if (t_.info_.metaspace && !text.empty()) {
    const auto& [mark, prefix] = *t_.info_.metaspace;
    const bool prefixed = prefix == Metaspace::Prefix::kAlways ||
                          (prefix == Metaspace::Prefix::kFirst && at_start);
    if (prefixed && !text.starts_with(' ') && !text.starts_with(mark)) {
      marked = mark;
    }
    replace_spaces(text, mark, marked);
    text = marked;
  }
  ROTOR_TRY(t_.pretokenizer_.split(text, ends_));
  size_t begin = 0;
  for (const size_t end : ends_) {
    ROTOR_TRY(add_piece(text.substr(begin, end - begin)));
    begin = end;
  }
  return Status::ok_status();
}

Status Tokenizer::Encoding::add_piece(std::string_view piece) {
  if (t_.info_.ignore_merges) {
    if (const TokenId whole = t_.tokens_.find(piece); whole != kNoToken) {
      ids_.push_back(whole);
      return Status::ok_status();
    }
  }
  switch (t_.info_.model) {
    case TokenizerModel::kByteBpe:
      return add_bytes(piece);
    case TokenizerModel::kCharacterBpe:
      return t_.character_bpe_.encode(piece, merger_, ids_);
    case TokenizerModel::kUnigram:
      return t_.unigram_.encode(piece, ids_);
  }
  return internal_error("unknown tokenizer model");
}

Status Tokenizer::Encoding::add_bytes(std::string_view piece) {
  piece_.clear();
  for (size_t i = 0; i < piece.size(); ++i) {
    TokenId id = t_.byte_tokens_[static_cast<uint8_t>(piece[i])];
    if (id == kNoToken) {
      id = t_.info_.unk;
    }
    if (id == kNoToken) {
      return unsupported(fmt::format(
          "{}: the vocabulary has no token for byte 0x{:02x} (in {})", t_.info_.source,
          static_cast<unsigned>(static_cast<uint8_t>(piece[i])), printable(piece.substr(i))));
    }
    piece_.push_back(id);
  }
  merger_.merge(piece_);
  ids_.insert(ids_.end(), piece_.begin(), piece_.end());
  return Status::ok_status();
}

}  // namespace rotor
