// SPDX-License-Identifier: Apache-2.0
// TokenizerSpec: a byte-level BPE tokenizer as plain arrays, whatever file it came from. The
// readers (tokenizer.json, tiktoken, GGUF) fill it, Tokenizer::create checks it and builds its
// tables.
#pragma once

#include <rotor/token.h>

#include <cstdint>
#include <string>
#include <vector>

namespace rotor {

enum class TokenKind : uint8_t {
  kNormal,       // text; reached by merges or as a whole piece
  kControl,      // special: recognised only in trusted text, hidden when special tokens are skipped
  kUserDefined,  // an added token that is text: recognised everywhere, before splitting
  kUnused,       // a hole or padding; never produced
  kByte,         // SentencePiece <0xNN>; not used by byte-level BPE
};

// How text is cut into pieces before the merges. Rules apply one after the other, each to the
// pieces of the one before.
enum class SplitKind : uint8_t {
  kGpt2,    // GPT-2, encoder.py
  kLlama3,  // Llama 3; also Falcon 3
  kQwen2,   // as Llama 3 but single digits
  kDigits,  // every number character alone
  kRegex,   // any other pattern, run by PCRE2
};

struct SplitRule {
  SplitKind kind = SplitKind::kLlama3;
  std::string pattern;  // kRegex only
};

// Two adjacent tokens become one: the token whose bytes are theirs joined.
struct MergePair {
  TokenId left;
  TokenId right;
};

// An added token that is an ordinary token too: merges make it from tokens[id], and it is recognised
// as `text` before splitting. The two differ only beyond ASCII, where `text` is in the byte alphabet.
struct SharedToken {
  TokenId id;
  std::string text;
};

struct TokenizerSpec {
  std::vector<std::string> tokens;  // raw bytes by id (the byte alphabet is already undone)
  std::vector<TokenKind> kinds;     // by id, as many as tokens

  std::vector<MergePair> merges;  // in order of rank: lower index merges first
  // tiktoken: no list of merges; two tokens merge when their joined bytes are a token, lowest id
  // first. `merges` is empty then.
  bool ranks_are_ids = false;
  bool ignore_merges = false;  // a piece that is a token is emitted whole, whatever the merges say

  std::vector<SplitRule> splits;  // empty: all text is one piece
  bool normalize_nfc = false;     // Unicode NFC before splitting; decoding does not undo it

  std::vector<SharedToken> shared;   // by ascending id; their kind is that of the added token
  std::vector<TokenId> strip_left;   // added tokens that swallow white space before them
  std::vector<TokenId> strip_right;  // ... and after them

  bool add_bos = false;
  bool add_eos = false;
  TokenId bos = kNoToken;  // begin of text
  TokenId eos = kNoToken;  // end of text
  TokenId eot = kNoToken;  // end of turn
  TokenId unk = kNoToken;  // stands for bytes that have no token
  // Generation stops at any of these. create() adds eos, eot and the control tokens whose text is
  // known to end a turn or a text (<|eot_id|>, <|im_end|>, ...).
  std::vector<TokenId> end_of_generation;

  std::string source;              // for messages: file name and format
  std::vector<std::string> notes;  // what was assumed or repaired, a sentence each
};

// By id: whether merges may take and make the token. REQUIRES: as many kinds as tokens; the ids in
// `shared` are below that.
inline std::vector<bool> ordinary_tokens(const TokenizerSpec& spec) {
  std::vector<bool> ordinary(spec.kinds.size());
  for (size_t id = 0; id < ordinary.size(); ++id) {
    ordinary[id] = spec.kinds[id] == TokenKind::kNormal;
  }
  for (const SharedToken& token : spec.shared) {
    ordinary[static_cast<size_t>(token.id)] = true;
  }
  return ordinary;
}

}  // namespace rotor
