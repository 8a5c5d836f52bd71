// SPDX-License-Identifier: Apache-2.0
// MergeListReader: merges as files write them, two tokens (of byte-level BPE in the byte alphabet),
// into pairs of ids; and the list of merges that a file is written with.
#pragma once

#include <rotor/status.h>

#include <string_view>
#include <vector>

#include "text/tokenizer_spec.h"
#include "text/tokenizer_token_table.h"

namespace rotor {

// Appends to the merges of a spec whose tokens are complete. One thread; the spec must outlive it.
class MergeListReader {
 public:
  explicit MergeListReader(TokenizerSpec& spec);

  // "left right". kFormatError names the merge's index and what is wrong.
  Status add(std::string_view merge);
  Status add(std::string_view left, std::string_view right);

 private:
  Result<TokenId> find(std::string_view half) const;

  TokenizerSpec& spec_;
  TokenTable tokens_;
};

// The merges of a tokenizer, in order of rank; those that tiktoken's ranks imply where it has no list.
std::vector<MergePair> merge_list(const TokenizerSpec& spec);

}  // namespace rotor
