// SPDX-License-Identifier: Apache-2.0
// Checking the arrays, building the tables, and back from ids to text.
#include "text/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <new>

#include "text/tokenizer_encoding.h"
#include "text/unicode.h"

namespace rotor {
namespace {

constexpr size_t kMaxText = std::numeric_limits<int32_t>::max();
constexpr size_t kMaxVocabulary = size_t{1} << 26;

// Texts of control tokens after which models stop, whatever the file says about them.
constexpr std::array<std::string_view, 8> kEndTexts = {
    "<|eot_id|>",    "<|eom_id|>",    "<|end_of_text|>", "<|im_end|>",
    "<|endoftext|>", "<end_of_turn>", "<|end|>",         "<|eot|>"};

void sort_unique(std::vector<TokenId>& ids) {
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
}

Status too_long(size_t bytes) {
  return invalid_argument(
      fmt::format("the text has {} bytes or more; expected at most {}", bytes, kMaxText));
}

// What the tokens of SentencePiece stand for: marks are spaces, <0xNN> is a byte.
std::vector<std::string> decoded_tokens(const TokenizerSpec& spec) {
  std::vector<std::string> decoded;
  decoded.reserve(spec.tokens.size());
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    const auto byte = spec.kinds[id] == TokenKind::kByte ? byte_of_token(spec.tokens[id])
                                                         : std::nullopt;
    std::string bytes = byte ? std::string(1, static_cast<char>(*byte)) : spec.tokens[id];
    for (size_t at = 0; !spec.space_mark.empty() &&
                        (at = bytes.find(spec.space_mark, at)) != std::string::npos;
         ++at) {
      bytes.replace(at, spec.space_mark.size(), " ");
    }
    decoded.push_back(std::move(bytes));
  }
  return decoded;
}

Status check_id(const TokenizerSpec& spec, std::string_view name, TokenId id) {
  if (id == kNoToken || (id >= 0 && static_cast<size_t>(id) < spec.tokens.size())) {
    return Status::ok_status();
  }
  return format_error(fmt::format("{}: {} token id is {}; expected below {}, the vocabulary size",
                                  spec.source, name, id, spec.tokens.size()));
}

Status check_spec(const TokenizerSpec& spec) {
  const size_t size = spec.tokens.size();
  if (size == 0 || size > kMaxVocabulary) {
    return format_error(
        fmt::format("{}: {} tokens; expected 1 to {}", spec.source, size, kMaxVocabulary));
  }
  if (spec.kinds.size() != size) {
    return format_error(fmt::format("{}: {} token types for {} tokens; expected as many",
                                    spec.source, spec.kinds.size(), size));
  }
  size_t bytes = 0;
  for (const std::string& token : spec.tokens) {
    bytes += token.size();
  }
  if (bytes > kMaxText) {
    return format_error(fmt::format("{}: the tokens have {} bytes; expected at most {}",
                                    spec.source, bytes, kMaxText));
  }
  ROTOR_TRY(check_id(spec, "begin-of-text", spec.bos));
  ROTOR_TRY(check_id(spec, "end-of-text", spec.eos));
  ROTOR_TRY(check_id(spec, "end-of-turn", spec.eot));
  ROTOR_TRY(check_id(spec, "unknown", spec.unk));
  for (const std::vector<TokenId>* ids :
       {&spec.end_of_generation, &spec.single_word, &spec.strip_left, &spec.strip_right}) {
    for (const TokenId id : *ids) {
      if (id < 0) {
        return format_error(
            fmt::format("{}: token id {} in a list; expected 0 or more", spec.source, id));
      }
      ROTOR_TRY(check_id(spec, "listed", id));
    }
  }
  for (const AddedText& token : spec.normalized) {
    if (token.id < 0) {
      return format_error(spec.source + ": expected an id of 0 or more for a normalised token");
    }
    ROTOR_TRY(check_id(spec, "normalised", token.id));
  }
  TokenId last = kNoToken;
  for (const AddedText& token : spec.shared) {
    if (token.id <= last) {
      return format_error(fmt::format("{}: shared token ids must be 0 or more and ascend; got {} "
                                      "after {}",
                                      spec.source, token.id, last));
    }
    last = token.id;
    ROTOR_TRY(check_id(spec, "shared", token.id));
  }
  return Status::ok_status();
}

}  // namespace

Result<Tokenizer> Tokenizer::create(TokenizerSpec spec) {
  try {
    Tokenizer tokenizer;
    ROTOR_TRY(tokenizer.build(std::move(spec)));
    return tokenizer;
  } catch (const std::bad_alloc&) {
    return out_of_memory("no memory for the tables of the tokenizer");
  }
}

Status Tokenizer::build(TokenizerSpec spec) {
  ROTOR_TRY(check_spec(spec));
  const std::vector<bool> ordinary = ordinary_tokens(spec);
  tokens_ = TokenTable(spec.tokens, [&](TokenId id) { return ordinary[static_cast<size_t>(id)]; });
  if (const auto [first, second] = tokens_.repeated(); first != kNoToken) {
    // One of them could never be produced.
    return format_error(fmt::format("{}: tokens {} and {} are both {}", spec.source, first, second,
                                    printable(tokens_.bytes(first))));
  }
  ROTOR_TRY(build_model(spec));
  ROTOR_ASSIGN(added_, AddedTokenMatcher::create(spec));
  ROTOR_ASSIGN(normalized_, AddedTokenMatcher::from_texts(spec.normalized, spec.source));
  ROTOR_ASSIGN(normalizer_, Normalizer::create(spec));
  ROTOR_ASSIGN(pretokenizer_, Pretokenizer::create(spec.splits, spec.source));
  if (spec.model != TokenizerModel::kByteBpe) {
    decoded_ = TokenTable(decoded_tokens(spec), [](TokenId) { return false; });
  }
  info_ = std::move(spec);
  info_.tokens = {};
  info_.merges = {};
  info_.scores = {};
  info_.normalizers = {};
  info_.sentencepiece = {};
  info_.splits = {};
  info_.shared = {};
  info_.normalized = {};
  sort_unique(info_.single_word);
  sort_unique(info_.strip_left);
  sort_unique(info_.strip_right);
  complete_end_of_generation();
  return Status::ok_status();
}

Status Tokenizer::build_model(const TokenizerSpec& spec) {
  switch (spec.model) {
    case TokenizerModel::kByteBpe: {
      for (size_t byte = 0; byte < byte_tokens_.size(); ++byte) {
        const char c = static_cast<char>(byte);
        byte_tokens_[byte] = tokens_.find({&c, 1});
      }
      ROTOR_ASSIGN(merges_, spec.ranks_are_ids
                                ? MergeTable::from_ranks(tokens_, spec.source)
                                : MergeTable::from_list(spec.merges, tokens_, spec.source));
      return Status::ok_status();
    }
    case TokenizerModel::kCharacterBpe: {
      ROTOR_ASSIGN(character_bpe_, CharacterBpe::create(spec));
      return Status::ok_status();
    }
    case TokenizerModel::kUnigram: {
      ROTOR_ASSIGN(unigram_, Unigram::create(spec));
      return Status::ok_status();
    }
  }
  return internal_error("unknown tokenizer model");
}

const MergeTable& Tokenizer::merges() const {
  return info_.model == TokenizerModel::kCharacterBpe ? character_bpe_.merges() : merges_;
}

void Tokenizer::complete_end_of_generation() {
  std::vector<TokenId>& ids = info_.end_of_generation;
  ids.push_back(info_.eos);
  ids.push_back(info_.eot);
  for (const std::string_view text : kEndTexts) {
    const TokenId id = added_.find(text);
    ids.push_back(is_control(id) ? id : kNoToken);
  }
  ids.erase(std::remove(ids.begin(), ids.end(), kNoToken), ids.end());
  sort_unique(ids);
}

Result<std::vector<TokenId>> Tokenizer::encode_trusting(std::string_view text,
                                                        std::span<const Stretch> trusted,
                                                        bool add_bos, bool add_eos) const {
  Encoding encoding(*this);
  ROTOR_TRY(encoding.run(text, trusted));
  std::vector<TokenId>& ids = encoding.ids();
  if (add_bos && info_.bos != kNoToken) {
    ids.insert(ids.begin(), info_.bos);
  }
  if (add_eos && info_.eos != kNoToken) {
    ids.push_back(info_.eos);
  }
  return std::move(ids);
}

Result<std::vector<TokenId>> Tokenizer::encode(std::string_view text,
                                               const EncodeOptions& options) const {
  if (text.size() > kMaxText) {
    return too_long(text.size());
  }
  try {
    const Stretch all{0, text.size()};
    return encode_trusting(text, {&all, options.parse_special ? size_t{1} : size_t{0}},
                           options.add_bos.value_or(info_.add_bos),
                           options.add_eos.value_or(info_.add_eos));
  } catch (const std::bad_alloc&) {
    return out_of_memory("no memory to encode the text");
  }
}

Result<std::vector<TokenId>> Tokenizer::encode_segments(std::span<const TextSegment> segments,
                                                        const EncodeOptions& options) const {
  try {
    std::string text;
    std::vector<Stretch> trusted;
    for (const TextSegment& segment : segments) {
      const size_t begin = text.size();
      if (segment.text.size() > kMaxText - begin) {
        return too_long(begin + segment.text.size());
      }
      text += segment.text;
      if (!segment.trusted || segment.text.empty()) {
        continue;
      }
      if (!trusted.empty() && trusted.back().end == begin) {
        trusted.back().end = text.size();
      } else {
        trusted.push_back({begin, text.size()});
      }
    }
    const bool starts_with_bos = !trusted.empty() && trusted.front().begin == 0 &&
                                 added_.longest(text, 0, trusted.front().end).id == info_.bos;
    return encode_trusting(text, trusted,
                           !starts_with_bos && options.add_bos.value_or(info_.add_bos),
                           options.add_eos.value_or(info_.add_eos));
  } catch (const std::bad_alloc&) {
    return out_of_memory("no memory to encode the text");
  }
}

Result<std::string> Tokenizer::decode(std::span<const TokenId> ids, bool skip_special) const {
  std::string text;
  bool first = true;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (!contains(ids[i])) {
      return invalid_argument(
          fmt::format("token id {} at position {}: expected 0 to {}", ids[i], i, size() - 1));
    }
    if (skip_special && is_control(ids[i])) {
      continue;
    }
    std::string_view bytes = token_bytes(ids[i]);
    const size_t spaces = std::min(bytes.find_first_not_of(' '), bytes.size());
    if (first && info_.first_space == FirstSpace::kDropOne) {
      bytes.remove_prefix(std::min<size_t>(spaces, 1));
    } else if (first && info_.first_space == FirstSpace::kDropWholeToken) {
      bytes.remove_prefix(spaces);
    }
    text += bytes;
    first = false;
  }
  return text;
}

std::string_view Tokenizer::token_bytes(TokenId id) const {
  if (!contains(id)) {
    return {};
  }
  return decoded_ ? decoded_->bytes(id) : tokens_.bytes(id);
}

std::optional<TokenId> Tokenizer::find_token(std::string_view bytes) const {
  TokenId id = added_.find(bytes);
  if (id == kNoToken) {
    id = tokens_.find(bytes);
  }
  return id == kNoToken ? std::nullopt : std::optional(id);
}

TokenKind Tokenizer::kind(TokenId id) const {
  return contains(id) ? info_.kinds[static_cast<size_t>(id)] : TokenKind::kUnused;
}

bool Tokenizer::ends_generation(TokenId id) const {
  return std::binary_search(info_.end_of_generation.begin(), info_.end_of_generation.end(), id);
}

}  // namespace rotor
