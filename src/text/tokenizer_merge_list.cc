// SPDX-License-Identifier: Apache-2.0
// Looking up the halves of merges by their bytes.
#include "text/tokenizer_merge_list.h"

#include <fmt/format.h>

#include "text/bpe_alphabet.h"
#include "text/unicode.h"

namespace rotor {

MergeListReader::MergeListReader(TokenizerSpec& spec)
    : spec_(spec), tokens_(spec.tokens, [ordinary = ordinary_tokens(spec)](TokenId id) {
        return ordinary[static_cast<size_t>(id)];
      }) {}

Result<TokenId> MergeListReader::find(std::string_view half) const {
  const std::optional<std::string> bytes = bytes_from_alphabet(half);
  const TokenId id = bytes ? tokens_.find(*bytes) : kNoToken;
  if (id == kNoToken) {
    return format_error(fmt::format("{}: merge {}: expected {} to be in the vocabulary; it is not",
                                    spec_.source, spec_.merges.size(), printable(half)));
  }
  return id;
}

Status MergeListReader::add(std::string_view merge) {
  const size_t space = merge.find(' ');
  if (space == std::string_view::npos) {
    return format_error(fmt::format("{}: merge {}: expected two tokens and a space between; got {}",
                                    spec_.source, spec_.merges.size(), printable(merge)));
  }
  return add(merge.substr(0, space), merge.substr(space + 1));
}

Status MergeListReader::add(std::string_view left, std::string_view right) {
  ROTOR_ASSIGN(const TokenId left_id, find(left));
  ROTOR_ASSIGN(const TokenId right_id, find(right));
  spec_.merges.push_back({left_id, right_id});
  return Status::ok_status();
}

}  // namespace rotor
