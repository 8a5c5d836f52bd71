// SPDX-License-Identifier: Apache-2.0
// For the tests of this folder: the tokenizers of testdata/ (tools/make_tokenizer_fixtures.py).
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "base/file.h"
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

inline EncodeOptions without_bos(bool parse_special = false) {
  EncodeOptions options;
  options.add_bos = false;
  options.parse_special = parse_special;
  return options;
}

}  // namespace rotor
