// SPDX-License-Identifier: Apache-2.0
// A SentencePiece tokenizer in the terms of tokenizer.json, for programs that read that file alone or
// read tokenizer.model otherwise than sentencepiece does (transformers 5 drops a space in front).
#pragma once

#include <rotor/status.h>

#include "text/tokenizer_spec.h"

namespace rotor {

// A tokenizer that gives every text the same ids with a normalizer that marks spaces and a list of
// merges in place of scores; write_tokenizer_json() takes it. Of two overlapping ways to make one token
// SentencePiece takes the leftmost, a list the one it names first, the one with the longer left half.
// REQUIRES: is_sentencepiece(spec). kUnsupported, saying which, for rules that those terms cannot say.
Result<TokenizerSpec> sentencepiece_as_json(const TokenizerSpec& spec);

}  // namespace rotor
