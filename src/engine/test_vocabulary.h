// SPDX-License-Identifier: Apache-2.0
// A tiny vocabulary for tests: letters, parts of a three-byte character, parts of a stop string.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace rotor {

inline constexpr TokenId kTestEnd = 0;     // a control token
inline constexpr TokenId kTestA = 1;       // "a"
inline constexpr TokenId kTestB = 2;       // "b"
inline constexpr TokenId kTestStart = 3;   // bytes 1 and 2 of U+2713
inline constexpr TokenId kTestRest = 4;    // byte 3 of U+2713
inline constexpr TokenId kTestSt = 5;      // "ST"
inline constexpr TokenId kTestOp = 6;      // "OP"
inline constexpr TokenId kTestOpRest = 7;  // "OPab"
inline constexpr size_t kTestVocab = 8;

inline std::shared_ptr<const Tokenizer> test_tokenizer() {
  TokenizerSpec spec;
  spec.tokens = {"<end>", "a", "b", "\xE2\x9C", "\x93", "ST", "OP", "OPab"};
  spec.kinds.assign(spec.tokens.size(), TokenKind::kNormal);
  spec.kinds[0] = TokenKind::kControl;
  return std::make_shared<const Tokenizer>(*Tokenizer::create(std::move(spec)));
}

}  // namespace rotor
