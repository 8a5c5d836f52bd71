// SPDX-License-Identifier: Apache-2.0
// TokenizerSpec: a tokenizer as plain arrays, whatever file it came from. The readers
// (tokenizer.json, tiktoken, SentencePiece, GGUF) fill it, Tokenizer::create checks it and builds
// its tables.
#pragma once

#include <rotor/token.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rotor {

// How a piece of text becomes tokens.
enum class TokenizerModel : uint8_t {
  kByteBpe,       // merges of bytes (GPT-2)
  kCharacterBpe,  // merges of characters (SentencePiece's BPE)
  kUnigram,       // the most probable way to cut it into tokens (SentencePiece's unigram)
};

enum class TokenKind : uint8_t {
  kNormal,       // text; reached by merges or as a whole piece
  kControl,      // special: recognised only in trusted text, hidden when special tokens are skipped
  kUserDefined,  // an added token that is text: recognised everywhere, before splitting
  kUnused,       // a hole or padding; never produced
  kByte,         // SentencePiece's <0xNN>: one byte of a character that has no token
};

// What is done to text before it is split. The first group is Unicode's and Hugging Face's.
enum class NormalizerKind : uint8_t {
  kNfc,
  kNfd,
  kNfkc,
  kNfkd,
  kLowercase,     // every character by itself: no final sigma
  kStripAccents,  // drops combining marks (M)
  kStrip,         // white space at the left, at the right
  kReplace,       // every `from` becomes `to`
  kReplaceRuns,   // every run of two or more `from` becomes `to`
  kPrepend,       // `to` before text that is not empty
};

struct NormalizerStep {
  NormalizerKind kind = NormalizerKind::kNfc;
  std::string from;    // kReplace, kReplaceRuns
  std::string to;      // kReplace, kReplaceRuns, kPrepend
  bool left = false;   // kStrip
  bool right = false;  // kStrip
};

// SentencePiece's own normalisation, instead of the steps above.
struct SentencePieceRules {
  std::string charsmap;  // precompiled_charsmap; empty: identity
  std::vector<std::string> protected_texts;  // user-defined tokens, which the map leaves alone
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
};

// Hugging Face's Metaspace: spaces become a visible mark, and text gets one in front.
struct Metaspace {
  enum class Prefix : uint8_t {
    kNever,
    kFirst,   // where the text begins
    kAlways,  // also after every added token
  };
  std::string mark;  // "\u2581"
  Prefix prefix = Prefix::kAlways;
};

// How text is cut into pieces before the merges. Rules apply one after the other, each to the
// pieces of the one before.
enum class SplitKind : uint8_t {
  kGpt2,    // GPT-2, encoder.py
  kLlama3,  // Llama 3; also Falcon 3
  kQwen2,   // as Llama 3 but single digits
  kDigits,  // every number character alone
  kBefore,  // before every occurrence of a text
  kRegex,   // any other pattern, run by PCRE2
};

struct SplitRule {
  SplitKind kind = SplitKind::kLlama3;
  std::string pattern;  // kRegex; kBefore: the text
};

// Two adjacent tokens become one: the token whose text is theirs joined.
struct MergePair {
  TokenId left;
  TokenId right;
};

// An added token and the text it is recognised as.
struct AddedText {
  TokenId id;
  std::string text;
};

// Which space decoding leaves out at the start of a text.
enum class FirstSpace : uint8_t {
  kKeep,
  kDropOne,         // the one that encoding put there
  kDropWholeToken,  // every mark of a space in the first token (Hugging Face's Metaspace decoder)
};

// SentencePiece's mark of a space, U+2581.
inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";

struct TokenizerSpec {
  TokenizerModel model = TokenizerModel::kByteBpe;
  std::vector<std::string> tokens;  // by id: raw bytes (the byte alphabet is undone) or, with the
                                    // models of SentencePiece, text with marks for spaces
  std::vector<TokenKind> kinds;     // by id, as many as tokens

  std::vector<MergePair> merges;  // in order of rank: lower index merges first
  // tiktoken: no list of merges; two tokens merge when their joined bytes are a token, lowest id
  // first. `merges` is empty then.
  bool ranks_are_ids = false;
  bool ignore_merges = false;  // a piece that is a token is emitted whole, whatever the merges say
  // By id, or empty. kUnigram: natural logarithms of probabilities. kCharacterBpe: no list of
  // merges; two symbols merge when they joined are a token, highest score first.
  std::vector<double> scores;
  bool single_precision = false;  // kUnigram: sums are kept in binary32, as in sentencepiece
  double unknown_score = 0;       // kUnigram: of a character without a token

  std::vector<NormalizerStep> normalizers;  // in order; decoding does not undo them
  std::optional<SentencePieceRules> sentencepiece;  // `normalizers` is empty then
  std::optional<Metaspace> metaspace;               // after normalising, around added tokens
  std::vector<SplitRule> splits;                    // empty: all text is one piece

  // Added tokens that are ordinary tokens too, by ascending id: merges make them from tokens[id], and
  // they are recognised as `text` before splitting. The two differ only beyond ASCII, where `text`
  // is in the byte alphabet. Their kind is that of the added token.
  std::vector<AddedText> shared;
  std::vector<AddedText> normalized;  // user-defined tokens recognised after normalising, as `text`
  std::vector<TokenId> single_word;   // added tokens recognised only between characters of no word
  std::vector<TokenId> strip_left;    // added tokens that swallow white space before them
  std::vector<TokenId> strip_right;   // ... and after them

  // Characters without a token: their bytes' tokens if byte_fallback and all have one, else unk;
  // with fuse_unk one for a run of such characters.
  bool byte_fallback = false;
  bool fuse_unk = false;
  std::string space_mark;  // decoded as a space; empty: nothing is
  FirstSpace first_space = FirstSpace::kKeep;

  bool add_bos = false;
  bool add_eos = false;
  TokenId bos = kNoToken;  // begin of text
  TokenId eos = kNoToken;  // end of text
  TokenId eot = kNoToken;  // end of turn
  TokenId unk = kNoToken;  // stands for text that has no token
  // Generation stops at any of these. create() adds eos, eot and the control tokens whose text is
  // known to end a turn or a text (<|eot_id|>, <|im_end|>, ...).
  std::vector<TokenId> end_of_generation;

  std::string source;              // for messages: file name and format
  std::vector<std::string> notes;  // what was assumed or repaired, a sentence each
};

// "byte-level BPE", "SentencePiece BPE", "SentencePiece unigram".
std::string_view tokenizer_model_name(TokenizerModel model);

// By id: whether text may become the token other than as an added one. REQUIRES: as many kinds as
// tokens; the ids in `shared` are below that.
std::vector<bool> ordinary_tokens(const TokenizerSpec& spec);

// The byte that a token "<0xNN>" stands for; nullopt for any other text.
std::optional<uint8_t> byte_of_token(std::string_view token);

}  // namespace rotor
