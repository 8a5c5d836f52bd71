// SPDX-License-Identifier: Apache-2.0
// Viterbi over the bytes of a text. Paths are extended from left to right, shorter tokens first, and
// only a better one replaces a path: among equals that of the longest last token stays. Sums are kept
// in the precision of the reference (binary32 in sentencepiece, binary64 in tokenizers), which decides
// between paths that are all but equal.
#include "text/unigram.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "text/tokenizer_added_tokens.h"
#include "text/unicode.h"

namespace rotor {
namespace {

// Sums of 2^31 of them stay finite in binary32.
constexpr double kLargestScore = 1e28;

Status check(const TokenizerSpec& spec, const std::vector<TokenId>& sorted) {
  if (spec.scores.size() != spec.tokens.size()) {
    return format_error(fmt::format("{}: {} scores for {} tokens; expected as many", spec.source,
                                    spec.scores.size(), spec.tokens.size()));
  }
  if (!(std::abs(spec.unknown_score) <= kLargestScore)) {
    return format_error(fmt::format("{}: the unknown token's score is {}; expected a finite number",
                                    spec.source, spec.unknown_score));
  }
  for (const TokenId id : sorted) {
    const size_t i = static_cast<size_t>(id);
    if (!(std::abs(spec.scores[i]) <= kLargestScore)) {
      return format_error(fmt::format("{}: the score of token {} is {}; expected a finite number "
                                      "within 1e28",
                                      spec.source, id, spec.scores[i]));
    }
    if (spec.tokens[i].size() > kMaxAddedTokenBytes) {
      return format_error(fmt::format("{}: token {} has {} bytes; expected at most {}", spec.source,
                                      id, spec.tokens[i].size(), kMaxAddedTokenBytes));
    }
  }
  return Status::ok_status();
}

}  // namespace

// Level by level: the tokens below a node are a range of the sorted ones.
TokenTrie::TokenTrie(const std::vector<std::string>& tokens, const std::vector<TokenId>& sorted) {
  struct Range {
    size_t begin;
    size_t end;
    size_t depth;  // bytes they share
  };
  const auto bytes = [&](size_t i) -> const std::string& {
    return tokens[static_cast<size_t>(sorted[i])];
  };
  std::vector<Range> ranges = {{0, sorted.size(), 0}};  // by node
  for (size_t node = 0; node < ranges.size(); ++node) {
    auto [begin, end, depth] = ranges[node];
    Node& made = nodes_.emplace_back();
    made = {static_cast<uint32_t>(edge_bytes_.size()), 0, kNoToken};
    if (begin < end && bytes(begin).size() == depth) {
      made.token = sorted[begin++];
    }
    while (begin < end) {
      const char byte = bytes(begin)[depth];
      size_t next = begin;
      while (next < end && bytes(next)[depth] == byte) {
        ++next;
      }
      edge_bytes_.push_back(static_cast<uint8_t>(byte));
      edge_nodes_.push_back(static_cast<uint32_t>(ranges.size()));
      ++made.edge_count;
      ranges.push_back({begin, next, depth + 1});
      begin = next;
    }
  }
}

uint32_t TokenTrie::child(uint32_t node, uint8_t byte) const {
  const auto begin = edge_bytes_.begin() + nodes_[node].first_edge;
  const auto end = begin + nodes_[node].edge_count;
  const auto found = std::lower_bound(begin, end, byte);
  return found != end && *found == byte
             ? edge_nodes_[static_cast<size_t>(found - edge_bytes_.begin())]
             : kNowhere;
}

Result<Unigram> Unigram::create(const TokenizerSpec& spec) {
  Unigram unigram;
  const std::vector<bool> ordinary = ordinary_tokens(spec);
  std::vector<TokenId> sorted;
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    if (ordinary[id] && !spec.tokens[id].empty()) {
      sorted.push_back(static_cast<TokenId>(id));
    }
  }
  ROTOR_TRY(check(spec, sorted));
  std::sort(sorted.begin(), sorted.end(), [&](TokenId a, TokenId b) {
    return spec.tokens[static_cast<size_t>(a)] < spec.tokens[static_cast<size_t>(b)];
  });
  unigram.trie_ = TokenTrie(spec.tokens, sorted);
  unigram.scores_ = spec.scores;
  unigram.single_precision_ = spec.single_precision;
  unigram.unknown_ = UnknownText(spec);
  unigram.unknown_score_ = spec.unknown_score;
  return unigram;
}

template <typename Score>
Status Unigram::encode_as(std::string_view text, std::vector<TokenId>& ids) const {
  struct Path {
    Score score = 0;
    uint32_t begin = UINT32_MAX;  // of the last token; UINT32_MAX: no path ends here
    TokenId token = kNoToken;     // kNoToken: a character without one
  };
  std::vector<Path> paths(text.size() + 1);  // the best one to each byte
  paths[0].begin = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t character = decode_utf8(text, at).length;
    bool has_single = false;
    const Score here = paths[at].score;
    const auto extend = [&](size_t end, Score score, TokenId token) {
      const Score sum = here + score;
      if (paths[end].begin == UINT32_MAX || sum > paths[end].score) {
        paths[end] = {sum, static_cast<uint32_t>(at), token};
      }
    };
    uint32_t node = TokenTrie::kRoot;
    for (size_t end = at; end < text.size();) {
      node = trie_.child(node, static_cast<uint8_t>(text[end]));
      if (node == TokenTrie::kNowhere) {
        break;
      }
      ++end;
      if (const TokenId token = trie_.token(node); token != kNoToken) {
        extend(end, static_cast<Score>(scores_[static_cast<size_t>(token)]), token);
        has_single = has_single || end - at == character;
      }
    }
    if (!has_single) {
      extend(at + character, static_cast<Score>(unknown_score_), kNoToken);
    }
    at += character;
  }
  // From the end back: the begins of the tokens, last first.
  std::vector<uint32_t> ends;
  for (size_t end = text.size(); end > 0; end = paths[end].begin) {
    ends.push_back(static_cast<uint32_t>(end));
  }
  bool after_unknown = false;
  for (auto end = ends.rbegin(); end != ends.rend(); ++end) {
    const Path& path = paths[*end];
    if (path.token == kNoToken) {
      ROTOR_TRY(unknown_.add(text.substr(path.begin, *end - path.begin), after_unknown, ids));
    } else {
      ids.push_back(path.token);
      after_unknown = false;
    }
  }
  return Status::ok_status();
}

Status Unigram::encode(std::string_view text, std::vector<TokenId>& ids) const {
  return single_precision_ ? encode_as<float>(text, ids) : encode_as<double>(text, ids);
}

}  // namespace rotor
