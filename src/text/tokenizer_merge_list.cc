// SPDX-License-Identifier: Apache-2.0
// Halves of merges are looked up by their bytes.
#include "text/tokenizer_merge_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "text/bpe_alphabet.h"
#include "text/unicode.h"

namespace rotor {

MergeListReader::MergeListReader(TokenizerSpec& spec)
    : spec_(spec), tokens_(spec.tokens, [ordinary = ordinary_tokens(spec)](TokenId id) {
        return ordinary[static_cast<size_t>(id)];
      }) {}

Result<TokenId> MergeListReader::find(std::string_view half) const {
  const std::optional<std::string> bytes = spec_.model == TokenizerModel::kByteBpe
                                               ? bytes_from_alphabet(half)
                                               : std::optional<std::string>(half);
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

namespace {

// The merges that tiktoken's ranks imply: every way to join two tokens into a token, by the rank of
// the result, then of the halves (the order in which Hugging Face converts such files).
std::vector<MergePair> merges_from_ranks(const TokenizerSpec& spec) {
  std::unordered_map<std::string_view, TokenId> ids;
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    if (spec.kinds[id] == TokenKind::kNormal) {
      ids.emplace(spec.tokens[id], static_cast<TokenId>(id));
    }
  }
  std::vector<MergePair> merges;
  std::vector<MergePair> ways;
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    if (spec.kinds[id] != TokenKind::kNormal) {
      continue;
    }
    const std::string_view bytes = spec.tokens[id];
    ways.clear();
    for (size_t cut = 1; cut < bytes.size(); ++cut) {
      const auto left = ids.find(bytes.substr(0, cut));
      const auto right = ids.find(bytes.substr(cut));
      if (left != ids.end() && right != ids.end()) {
        ways.push_back({left->second, right->second});
      }
    }
    std::sort(ways.begin(), ways.end(), [](const MergePair& a, const MergePair& b) {
      return a.left != b.left ? a.left < b.left : a.right < b.right;
    });
    merges.insert(merges.end(), ways.begin(), ways.end());
  }
  return merges;
}

}  // namespace

std::vector<MergePair> merge_list(const TokenizerSpec& spec) {
  return spec.ranks_are_ids ? merges_from_ranks(spec) : spec.merges;
}

}  // namespace rotor
