// SPDX-License-Identifier: Apache-2.0
// Tokenizer: text to token ids and back, by byte-level BPE or by SentencePiece's BPE or unigram
// model. Encoding is total (any bytes, valid UTF-8 or not) and loses nothing: decode(encode(text)) is
// text, unless the tokenizer itself normalises or has an unknown token. Special tokens never come
// from text that is not trusted.
#pragma once

#include <rotor/status.h>
#include <rotor/token.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/bpe.h"
#include "text/character_bpe.h"
#include "text/normalizer.h"
#include "text/pretokenize.h"
#include "text/tokenizer_added_tokens.h"
#include "text/tokenizer_spec.h"
#include "text/tokenizer_token_table.h"
#include "text/unigram.h"

namespace rotor {

struct EncodeOptions {
  std::optional<bool> add_bos;  // begin-of-text token first; by default as the tokenizer says
  std::optional<bool> add_eos;  // end-of-text token last; the same
  bool parse_special = false;   // recognise control tokens: trust the whole text
};

// A stretch of a prompt. Control tokens are recognised only where every byte is trusted: written by
// the chat template and not by whoever fills it in.
struct TextSegment {
  std::string_view text;
  bool trusted = false;
};

// Immutable; every method may be called from several threads at once.
class Tokenizer {
 public:
  // Checks the arrays against each other. kFormatError says which entry contradicts what.
  static Result<Tokenizer> create(TokenizerSpec spec);

  // kInvalidArgument above 2^31 - 1 bytes; kUnsupported when a foreign split pattern or a normaliser
  // hits its limit or text has no token in this vocabulary; kOutOfMemory.
  Result<std::vector<TokenId>> encode(std::string_view text,
                                      const EncodeOptions& options = {}) const;

  // The segments joined are split and merged as one text; they differ only in what may become a
  // control token (options.parse_special is not used). No second begin-of-text token is added to
  // text that starts with one.
  Result<std::vector<TokenId>> encode_segments(std::span<const TextSegment> segments,
                                               const EncodeOptions& options = {}) const;

  // The bytes of the tokens joined, which need not be UTF-8 (see Detokenizer), as one text from its
  // start: without the space that the tokenizer puts in front of every text. kInvalidArgument for
  // an id outside the vocabulary.
  Result<std::string> decode(std::span<const TokenId> ids, bool skip_special = false) const;

  // What the token adds to a text. Empty for ids outside the vocabulary. Valid as long as the
  // tokenizer.
  std::string_view token_bytes(TokenId id) const;

  // The token that the vocabulary writes exactly so, added tokens first; nullopt when there is none.
  std::optional<TokenId> find_token(std::string_view bytes) const;

  size_t size() const { return tokens_.size(); }
  size_t merge_count() const { return merges().size(); }
  TokenizerModel model() const { return info_.model; }
  bool contains(TokenId id) const { return id >= 0 && static_cast<size_t>(id) < size(); }
  // kUnused for ids outside the vocabulary.
  TokenKind kind(TokenId id) const;
  bool is_control(TokenId id) const { return kind(id) == TokenKind::kControl; }

  bool add_bos() const { return info_.add_bos; }
  bool add_eos() const { return info_.add_eos; }
  TokenId bos() const { return info_.bos; }
  TokenId eos() const { return info_.eos; }
  TokenId eot() const { return info_.eot; }
  TokenId unk() const { return info_.unk; }
  // Sorted, without repeats.
  const std::vector<TokenId>& end_of_generation() const { return info_.end_of_generation; }
  bool ends_generation(TokenId id) const;

  const std::string& source() const { return info_.source; }
  const std::vector<std::string>& notes() const { return info_.notes; }

 private:
  class Encoding;   // one call of encode
  struct Stretch {  // bytes [begin, end) of a text
    size_t begin;
    size_t end;
  };

  Tokenizer() = default;
  Status build(TokenizerSpec spec);
  Status build_model(const TokenizerSpec& spec);
  const MergeTable& merges() const;
  void complete_end_of_generation();
  Result<std::vector<TokenId>> encode_trusting(std::string_view text,
                                               std::span<const Stretch> trusted, bool add_bos,
                                               bool add_eos) const;

  TokenTable tokens_;                  // as the vocabulary writes them
  std::optional<TokenTable> decoded_;  // what they stand for, where that differs
  AddedTokenMatcher added_;
  Normalizer normalizer_;
  AddedTokenMatcher normalized_;  // added tokens in normalised text
  Pretokenizer pretokenizer_;
  // Of the three models one is filled.
  MergeTable merges_;
  std::array<TokenId, 256> byte_tokens_{};  // kNoToken where the vocabulary has no such byte
  CharacterBpe character_bpe_;
  Unigram unigram_;
  TokenizerSpec info_;  // without what became a table
};

}  // namespace rotor
