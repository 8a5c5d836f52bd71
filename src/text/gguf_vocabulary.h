// SPDX-License-Identifier: Apache-2.0
// A GGUF file's tokenizer.ggml.* metadata as plain arrays, and the tokenizer they describe. Whoever
// reads the file fills the arrays; nothing here knows the file format.
#pragma once

#include <rotor/status.h>
#include <rotor/token.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "text/tokenizer_spec.h"

namespace rotor {

struct GgufVocabulary {
  std::string name;                 // of the file, for messages
  std::string model;                // tokenizer.ggml.model: "gpt2", "llama", ...
  std::string pre;                  // tokenizer.ggml.pre; empty when the key is missing
  bool is_bitnet = false;  // of an architecture whose files leave `pre` out and mean Llama 3's rule
  std::vector<std::string> tokens;  // by id; normal ones of "gpt2" in GPT-2's byte alphabet
  std::vector<float> scores;        // by id; "gpt2" does not use them
  std::vector<int32_t>
      types;  // by id, or empty: 1 normal 2 unknown 3 control 4 user 5 unused 6 byte
  std::vector<std::string> merges;  // "left right" in the byte alphabet, in order of rank
  std::optional<int64_t> bos, eos, eot, eom, unk;  // the ..._token_id keys
  std::optional<bool> add_bos, add_eos;            // add_bos_token, add_eos_token
  std::optional<bool> add_space_prefix, remove_extra_whitespaces;  // "llama"
};

// Models "gpt2" (byte-level BPE) and "llama" (SentencePiece's BPE). kUnsupported names a model or
// pre-tokenizer that Rotor lacks; kFormatError says which array contradicts what. What is missing is
// filled in as llama.cpp would, with a note.
Result<TokenizerSpec> tokenizer_from_gguf(const GgufVocabulary& vocabulary);

// What both models read alike.
Result<TokenKind> gguf_token_kind(const GgufVocabulary& vocabulary, size_t id);
Status check_gguf_types(const GgufVocabulary& vocabulary);
// The ..._token_id keys.
Status set_gguf_ids(const GgufVocabulary& vocabulary, TokenizerSpec& spec);

}  // namespace rotor
