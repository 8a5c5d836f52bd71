// SPDX-License-Identifier: Apache-2.0
// For tests: the tokenizers of testdata/ (tools/make_tokenizer_fixtures.py).
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "base/file.h"
#include "text/bpe_alphabet.h"
#include "text/gguf_vocabulary.h"
#include "text/tokenizer.h"
#include "text/tokenizer_json.h"

namespace rotor {

inline std::string read_testdata(const std::string& name) {
  const char* root = std::getenv("ROTOR_SOURCE_DIR");
  Result<std::string> text =
      read_text_file(std::string(root ? root : ".") + "/src/text/testdata/" + name, 1 << 24);
  EXPECT_TRUE(text.ok()) << text.status().message();
  return text.ok() ? *std::move(text) : std::string();
}

inline TokenizerSpec fixture_spec(const std::string& name) {
  Result<TokenizerSpec> spec = parse_tokenizer_json(read_testdata(name + ".tokenizer.json"), name);
  EXPECT_TRUE(spec.ok()) << spec.status().message();
  return *std::move(spec);
}

inline Tokenizer make_tokenizer(TokenizerSpec spec) {
  Result<Tokenizer> tokenizer = Tokenizer::create(std::move(spec));
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  return *std::move(tokenizer);
}

inline Tokenizer fixture_tokenizer(const std::string& name) {
  return make_tokenizer(fixture_spec(name));
}

// The arrays a converter would write for a tokenizer of testdata/.
inline GgufVocabulary gguf_arrays_of(const std::string& name, std::string pre) {
  const TokenizerSpec spec = fixture_spec(name);
  GgufVocabulary v;
  v.name = name;
  v.model = "gpt2";
  v.pre = std::move(pre);
  for (size_t i = 0; i < spec.tokens.size(); ++i) {
    const TokenKind kind = spec.kinds[i];
    v.tokens.push_back(kind == TokenKind::kNormal ? alphabet_from_bytes(spec.tokens[i])
                                                  : spec.tokens[i]);
    v.types.push_back(kind == TokenKind::kNormal ? 1 : kind == TokenKind::kControl ? 3 : 4);
  }
  for (const auto [left, right] : spec.merges) {
    v.merges.push_back(v.tokens[static_cast<size_t>(left)] + " " +
                       v.tokens[static_cast<size_t>(right)]);
  }
  v.bos = spec.bos;
  return v;
}

inline EncodeOptions without_bos(bool parse_special = false) {
  EncodeOptions options;
  options.add_bos = false;
  options.parse_special = parse_special;
  return options;
}

}  // namespace rotor
