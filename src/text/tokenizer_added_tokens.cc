// SPDX-License-Identifier: Apache-2.0
// Longest match by narrowing a range of the sorted added tokens, a byte at a time.
#include "text/tokenizer_added_tokens.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/unicode.h"

namespace rotor {

Result<AddedTokenMatcher> AddedTokenMatcher::create(const TokenizerSpec& spec) {
  std::vector<bool> elsewhere(spec.tokens.size());
  for (const AddedText& token : spec.normalized) {
    elsewhere[static_cast<size_t>(token.id)] = true;
  }
  std::vector<Entry> entries;
  auto shared = spec.shared.begin();
  for (size_t i = 0; i < spec.tokens.size(); ++i) {
    const bool is_shared = shared != spec.shared.end() && shared->id == static_cast<TokenId>(i);
    const std::string& bytes = is_shared ? (shared++)->text : spec.tokens[i];
    const TokenKind kind = spec.kinds[i];
    const bool added = kind == TokenKind::kControl || kind == TokenKind::kUserDefined;
    if (added && !bytes.empty() && !elsewhere[i]) {
      entries.push_back({bytes, static_cast<TokenId>(i), kind == TokenKind::kControl});
    }
  }
  return from_entries(std::move(entries), spec.source);
}

Result<AddedTokenMatcher> AddedTokenMatcher::from_texts(const std::vector<AddedText>& texts,
                                                        const std::string& source) {
  std::vector<Entry> entries;
  for (const AddedText& token : texts) {
    if (!token.text.empty()) {
      entries.push_back({token.text, token.id, false});
    }
  }
  return from_entries(std::move(entries), source);
}

Result<AddedTokenMatcher> AddedTokenMatcher::from_entries(std::vector<Entry> entries,
                                                          const std::string& source) {
  AddedTokenMatcher matcher;
  for (const Entry& entry : entries) {
    if (entry.bytes.size() > kMaxAddedTokenBytes) {
      return format_error(fmt::format("{}: added token {} has {} bytes; expected at most {}", source,
                                      entry.id, entry.bytes.size(), kMaxAddedTokenBytes));
    }
    matcher.first_[static_cast<uint8_t>(entry.bytes[0])] = true;
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.bytes < b.bytes; });
  const auto twin =
      std::adjacent_find(entries.begin(), entries.end(),
                         [](const Entry& a, const Entry& b) { return a.bytes == b.bytes; });
  if (twin != entries.end()) {
    return format_error(fmt::format("{}: added tokens {} and {} are both {}", source, twin->id,
                                    std::next(twin)->id, printable(twin->bytes)));
  }
  matcher.entries_ = std::move(entries);
  return matcher;
}

AddedTokenMatcher::Match AddedTokenMatcher::longest(std::string_view text, size_t at,
                                                    size_t trusted_end) const {
  Match best;
  if (!may_start(text[at])) {
    return best;
  }
  auto begin = entries_.begin();
  auto end = entries_.end();
  for (size_t depth = 0; at + depth < text.size() && begin != end; ++depth) {
    // All of [begin, end) share `depth` bytes, and those that have no more are gone.
    const auto byte_of = [depth](const Entry& e) { return static_cast<uint8_t>(e.bytes[depth]); };
    const uint8_t wanted = static_cast<uint8_t>(text[at + depth]);
    begin = std::partition_point(begin, end, [&](const Entry& e) { return byte_of(e) < wanted; });
    end = std::partition_point(begin, end, [&](const Entry& e) { return byte_of(e) == wanted; });
    if (begin != end && begin->bytes.size() == depth + 1) {
      if (!begin->control || at + depth + 1 <= trusted_end) {
        best = {begin->id, depth + 1};
      }
      ++begin;
    }
  }
  return best;
}

TokenId AddedTokenMatcher::find(std::string_view bytes) const {
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), bytes,
                                   [](const Entry& e, std::string_view b) { return e.bytes < b; });
  return at != entries_.end() && at->bytes == bytes ? at->id : kNoToken;
}

}  // namespace rotor
