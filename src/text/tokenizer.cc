// SPDX-License-Identifier: Apache-2.0
// Building the tables, and the way of text through them: added tokens, normalisation, pieces,
// merges.
#include "text/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <new>

#include "text/unicode.h"
#include "text/unicode_nfc.h"

namespace rotor {
namespace {

constexpr size_t kMaxText = std::numeric_limits<int32_t>::max();
constexpr size_t kMaxVocabulary = size_t{1} << 26;

// Texts of control tokens after which models stop, whatever the file says about them.
constexpr std::array<std::string_view, 8> kEndTexts = {
    "<|eot_id|>",    "<|eom_id|>",    "<|end_of_text|>", "<|im_end|>",
    "<|endoftext|>", "<end_of_turn>", "<|end|>",         "<|eot|>"};

bool is_in(const std::vector<TokenId>& sorted, TokenId id) {
  return std::binary_search(sorted.begin(), sorted.end(), id);
}

void sort_unique(std::vector<TokenId>& ids) {
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
}

// Bytes of white space that `text` starts with.
size_t leading_white_space(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const Utf8Char c = decode_utf8(text, at);
    if (!is_white_space(char_class(c.code_point))) {
      break;
    }
    at += c.length;
  }
  return at;
}

// ... and that it ends with.
size_t trailing_white_space(std::string_view text) {
  size_t end = text.size();
  while (end > 0) {
    size_t at = end - 1;
    while (at > 0 && end - at < 4 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) {
      --at;
    }
    const Utf8Char c = decode_utf8(text.substr(0, end), at);
    if (at + c.length != end || !is_white_space(char_class(c.code_point))) {
      break;
    }
    end = at;
  }
  return text.size() - end;
}

Status too_long(size_t bytes) {
  return invalid_argument(
      fmt::format("the text has {} bytes or more; expected at most {}", bytes, kMaxText));
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
       {&spec.end_of_generation, &spec.strip_left, &spec.strip_right}) {
    for (const TokenId id : *ids) {
      if (id < 0) {
        return format_error(
            fmt::format("{}: token id {} in a list; expected 0 or more", spec.source, id));
      }
      ROTOR_TRY(check_id(spec, "listed", id));
    }
  }
  TokenId last = kNoToken;
  for (const SharedToken& token : spec.shared) {
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

// The state of one encode call.
class Tokenizer::Encoding {
 public:
  explicit Encoding(const Tokenizer& tokenizer) : t_(tokenizer), merger_(tokenizer.merges_) {}

  // `trusted`: ascending stretches of `text` that do not touch.
  Status run(std::string_view text, std::span<const Stretch> trusted);
  std::vector<TokenId>& ids() { return ids_; }

 private:
  Status add_text(std::string_view text);
  Status add_piece(std::string_view piece);
  Status no_token(std::string_view piece, size_t at) const;

  const Tokenizer& t_;
  BpeMerger merger_;
  std::vector<size_t> ends_;
  std::vector<TokenId> piece_;
  std::vector<TokenId> ids_;
};

Status Tokenizer::Encoding::run(std::string_view text, std::span<const Stretch> trusted) {
  size_t done = 0;  // everything before is encoded
  for (size_t at = 0; at < text.size();) {
    while (!trusted.empty() && at >= trusted.front().end) {
      trusted = trusted.subspan(1);
    }
    const bool is_trusted = !trusted.empty() && at >= trusted.front().begin;
    const auto match = t_.added_.longest(text, at, is_trusted ? trusted.front().end : 0);
    if (match.length == 0) {
      ++at;
      continue;
    }
    std::string_view before = text.substr(done, at - done);
    if (is_in(t_.info_.strip_left, match.id)) {
      before.remove_suffix(trailing_white_space(before));
    }
    ROTOR_TRY(add_text(before));
    ids_.push_back(match.id);
    at += match.length;
    if (is_in(t_.info_.strip_right, match.id)) {
      at += leading_white_space(text.substr(at));
    }
    done = at;
  }
  return add_text(text.substr(done));
}

Status Tokenizer::Encoding::add_text(std::string_view text) {
  std::string normalized;
  if (t_.info_.normalize_nfc) {
    normalized = normalize_nfc(text);
    text = normalized;
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
  piece_.clear();
  for (size_t i = 0; i < piece.size(); ++i) {
    TokenId id = t_.byte_tokens_[static_cast<uint8_t>(piece[i])];
    if (id == kNoToken) {
      id = t_.info_.unk;
    }
    if (id == kNoToken) {
      return no_token(piece, i);
    }
    piece_.push_back(id);
  }
  merger_.merge(piece_);
  ids_.insert(ids_.end(), piece_.begin(), piece_.end());
  return Status::ok_status();
}

Status Tokenizer::Encoding::no_token(std::string_view piece, size_t at) const {
  return unsupported(fmt::format(
      "{}: the vocabulary has no token for byte 0x{:02x} (in {})", t_.info_.source,
      static_cast<unsigned>(static_cast<uint8_t>(piece[at])), printable(piece.substr(at))));
}

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
  if (spec.ranks_are_ids) {
    ROTOR_ASSIGN(merges_, MergeTable::from_ranks(tokens_, spec.source));
  } else {
    ROTOR_ASSIGN(merges_, MergeTable::from_list(spec.merges, tokens_, spec.source));
  }
  ROTOR_ASSIGN(added_, AddedTokenMatcher::create(spec));
  ROTOR_ASSIGN(pretokenizer_, Pretokenizer::create(spec.splits, spec.source));
  for (size_t byte = 0; byte < byte_tokens_.size(); ++byte) {
    const char c = static_cast<char>(byte);
    byte_tokens_[byte] = tokens_.find({&c, 1});
  }
  info_ = std::move(spec);
  info_.tokens = {};
  info_.merges = {};
  info_.splits = {};
  info_.shared = {};
  sort_unique(info_.strip_left);
  sort_unique(info_.strip_right);
  complete_end_of_generation();
  return Status::ok_status();
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
  for (size_t i = 0; i < ids.size(); ++i) {
    if (!contains(ids[i])) {
      return invalid_argument(
          fmt::format("token id {} at position {}: expected 0 to {}", ids[i], i, size() - 1));
    }
    if (!skip_special || !is_control(ids[i])) {
      text += tokens_.bytes(ids[i]);
    }
  }
  return text;
}

std::string_view Tokenizer::token_bytes(TokenId id) const {
  return contains(id) ? tokens_.bytes(id) : std::string_view();
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
