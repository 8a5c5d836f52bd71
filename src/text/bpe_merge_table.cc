// SPDX-License-Identifier: Apache-2.0
// Hash table of token pairs and the derivation of merges from ranks or scores.
#include "text/bpe_merge_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <tuple>

#include "text/unicode.h"

namespace rotor {
namespace {

// Trained vocabularies have a little over two splits per token and tokens of a few hundred bytes at
// most; the bounds keep memory and time proportional to the size of a hostile file.
constexpr size_t kMaxSplitsPerToken = 8;
constexpr size_t kMaxRankedTokenBytes = 1024;

constexpr uint64_t pair_key(TokenId left, TokenId right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

Status bad_merge(const std::string& source, size_t index, const std::string& what) {
  return format_error(fmt::format("{}: merge {}: {}", source, index, what));
}

struct RankedMerge {
  MergePair pair;
  TokenId merged;  // its id is the rank
};

// Every way to split a token in two tokens, in order of the tokens.
Result<std::vector<RankedMerge>> splits_of_tokens(const TokenTable& tokens,
                                                  const std::string& source) {
  const size_t most = kMaxSplitsPerToken * tokens.size();
  std::vector<RankedMerge> merges;
  for (TokenId id = 0; id < static_cast<TokenId>(tokens.size()); ++id) {
    const std::string_view token = tokens.bytes(id);
    if (tokens.find(token) != id) {
      continue;  // a control token
    }
    if (token.size() > kMaxRankedTokenBytes) {
      return format_error(fmt::format("{}: token {} has {} bytes; expected at most {}", source, id,
                                      token.size(), kMaxRankedTokenBytes));
    }
    for (size_t cut = 1; cut < token.size(); ++cut) {
      const TokenId left = tokens.find(token.substr(0, cut));
      const TokenId right = left == kNoToken ? kNoToken : tokens.find(token.substr(cut));
      if (right != kNoToken) {
        merges.push_back({{left, right}, id});
      }
    }
    if (merges.size() > most) {
      return format_error(
          fmt::format("{}: the first {} tokens split into pairs of tokens in {} "
                      "ways; expected at most {} for the whole vocabulary",
                      source, id + 1, merges.size(), most));
    }
  }
  return merges;
}

}  // namespace

MergeTable::MergeTable(size_t merges, uint32_t rank_limit, uint64_t seed)
    : slots_(std::bit_ceil(2 * merges + 1)), seed_(seed), rank_limit_(rank_limit) {}

size_t MergeTable::first_slot(uint64_t key) const {
  return mix_bits(key ^ seed_, 0x9E3779B97F4A7C15) & (slots_.size() - 1);
}

bool MergeTable::insert(TokenId left, TokenId right, Merge merge) {
  const uint64_t key = pair_key(left, right);
  size_t at = first_slot(key);
  for (; slots_[at].merge.rank != kNoRank; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].key == key) {
      return false;
    }
  }
  slots_[at] = {key, merge};
  ++size_;
  return true;
}

Merge MergeTable::find(TokenId left, TokenId right) const {
  if (slots_.empty()) {
    return {};
  }
  const uint64_t key = pair_key(left, right);
  size_t at = first_slot(key);
  while (slots_[at].merge.rank != kNoRank && slots_[at].key != key) {
    at = (at + 1) & (slots_.size() - 1);
  }
  return slots_[at].merge;
}

Result<MergeTable> MergeTable::from_list(std::span<const MergePair> merges,
                                         const TokenTable& tokens, const std::string& source) {
  if (merges.size() >= kNoRank / 2) {
    return format_error(
        fmt::format("{}: {} merges; expected fewer than 2^31", source, merges.size()));
  }
  MergeTable table(merges.size(), static_cast<uint32_t>(merges.size()), tokens.seed());
  std::string joined;
  for (size_t i = 0; i < merges.size(); ++i) {
    const auto [left, right] = merges[i];
    for (const TokenId id : {left, right}) {
      if (id < 0 || static_cast<size_t>(id) >= tokens.size() || tokens.bytes(id).empty()) {
        return bad_merge(source, i,
                         fmt::format("token id {} names no token with bytes; the "
                                     "vocabulary has {}",
                                     id, tokens.size()));
      }
    }
    joined.assign(tokens.bytes(left)).append(tokens.bytes(right));
    const TokenId merged = tokens.find(joined);
    if (merged == kNoToken) {
      return bad_merge(source, i,
                       fmt::format("expected {} joined with {} to be in the vocabulary; "
                                   "it is not",
                                   printable(tokens.bytes(left)), printable(tokens.bytes(right))));
    }
    if (!table.insert(left, right, {static_cast<uint32_t>(i), merged})) {
      return bad_merge(source, i,
                       fmt::format("{} with {} is already merge {}", printable(tokens.bytes(left)),
                                   printable(tokens.bytes(right)), table.find(left, right).rank));
    }
  }
  return table;
}

Result<std::vector<MergePair>> merges_from_ranks(const TokenTable& tokens,
                                                 const std::string& source) {
  ROTOR_ASSIGN(std::vector<RankedMerge> ranked, splits_of_tokens(tokens, source));
  std::sort(ranked.begin(), ranked.end(), [](const RankedMerge& a, const RankedMerge& b) {
    return std::tie(a.merged, a.pair.left, a.pair.right) <
           std::tie(b.merged, b.pair.left, b.pair.right);
  });
  std::vector<MergePair> merges;
  merges.reserve(ranked.size());
  for (const RankedMerge& merge : ranked) {
    merges.push_back(merge.pair);
  }
  return merges;
}

Result<std::vector<MergePair>> merges_from_scores(std::span<const double> scores,
                                                  const TokenTable& tokens,
                                                  const std::string& source) {
  ROTOR_ASSIGN(std::vector<RankedMerge> ranked, splits_of_tokens(tokens, source));
  const auto score = [&](const RankedMerge& merge) {
    return scores[static_cast<size_t>(merge.merged)];
  };
  const auto left_bytes = [&](const RankedMerge& merge) {
    return tokens.bytes(merge.pair.left).size();
  };
  std::sort(ranked.begin(), ranked.end(), [&](const RankedMerge& a, const RankedMerge& b) {
    return score(a) != score(b) ? score(a) > score(b)
                                : std::make_tuple(a.merged, left_bytes(b)) <
                                      std::make_tuple(b.merged, left_bytes(a));
  });
  std::vector<MergePair> merges;
  merges.reserve(ranked.size());
  for (size_t i = 0; i < ranked.size(); ++i) {
    const RankedMerge& merge = ranked[i];
    if (i > 0 && ranked[i - 1].merged != merge.merged && score(ranked[i - 1]) == score(merge)) {
      return unsupported(fmt::format(
          "{}: {} and {} have the same score: of both the leftmost is made first, which the list of "
          "merges of a tokenizer.json cannot say; a .rotor file keeps the scores", source, printable(tokens.bytes(ranked[i - 1].merged)),
          printable(tokens.bytes(merge.merged))));
    }
    merges.push_back(merge.pair);
  }
  return merges;
}

Result<MergeTable> MergeTable::from_ranks(const TokenTable& tokens, const std::string& source) {
  ROTOR_ASSIGN(const std::vector<RankedMerge> ranked, splits_of_tokens(tokens, source));
  MergeTable table(ranked.size(), static_cast<uint32_t>(tokens.size()), tokens.seed());
  for (const auto& [pair, merged] : ranked) {
    table.insert(pair.left, pair.right, {static_cast<uint32_t>(merged), merged});
  }
  return table;
}

Result<MergeTable> MergeTable::from_scores(std::span<const double> scores,
                                           const TokenTable& tokens, const std::string& source) {
  ROTOR_ASSIGN(std::vector<RankedMerge> splits, splits_of_tokens(tokens, source));
  std::erase_if(splits, [&](const RankedMerge& split) {
    return static_cast<size_t>(split.merged) >= scores.size();
  });
  const auto score = [&](TokenId id) { return scores[static_cast<size_t>(id)]; };
  std::vector<TokenId> merged;  // without repeats: the splits of a token follow each other
  for (const RankedMerge& split : splits) {
    if (merged.empty() || merged.back() != split.merged) {
      merged.push_back(split.merged);
    }
  }
  std::vector<double> distinct;  // descending: the index is the rank
  for (const TokenId id : merged) {
    distinct.push_back(score(id));
  }
  std::sort(distinct.begin(), distinct.end(), std::greater<>());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  MergeTable table(splits.size(), static_cast<uint32_t>(distinct.size()), tokens.seed());
  table.has_ties_ = distinct.size() < merged.size();
  for (const auto& [pair, id] : splits) {
    const auto at =
        std::lower_bound(distinct.begin(), distinct.end(), score(id), std::greater<>());
    table.insert(pair.left, pair.right, {static_cast<uint32_t>(at - distinct.begin()), id});
  }
  return table;
}

}  // namespace rotor
