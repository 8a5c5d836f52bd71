// SPDX-License-Identifier: Apache-2.0
#include "engine/ngram_draft.h"

#include <algorithm>

namespace rotor {

NgramDraft::Match NgramDraft::propose(std::span<const TokenId> history, size_t count) {
  short_.extend(history);
  long_.extend(history);
  tokens_.clear();
  size_t place = long_.find(history);
  const Match match = place != 0 ? Match::kLong : Match::kShort;
  if (place == 0) {
    place = short_.find(history);
  }
  if (place == 0 || count == 0) {
    return Match::kNone;
  }
  for (size_t i = place; tokens_.size() < count; ++i) {  // on into the draft where the text repeats
    tokens_.push_back(i < history.size() ? history[i] : tokens_[i - history.size()]);
  }
  return match;
}

void NgramDraft::Index::extend(std::span<const TokenId> history) {
  for (size_t end = std::max(next_, length_); end < history.size(); ++end) {
    places_[key(history, end)] = static_cast<uint32_t>(end);
  }
  next_ = std::max(next_, history.size());
}

size_t NgramDraft::Index::find(std::span<const TokenId> history) const {
  if (history.size() < length_) {
    return 0;
  }
  const auto found = places_.find(key(history, history.size()));
  if (found == places_.end()) {
    return 0;
  }
  const size_t place = found->second;  // of another n-gram with this key, perhaps
  const auto end = history.last(length_);
  return std::equal(end.begin(), end.end(), history.begin() + static_cast<ptrdiff_t>(place - length_))
             ? place
             : 0;
}

// A hash (FNV-1a over tokens) of the n-gram before `end`.
uint64_t NgramDraft::Index::key(std::span<const TokenId> history, size_t end) const {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const TokenId token : history.subspan(end - length_, length_)) {
    hash = (hash ^ static_cast<uint32_t>(token)) * 0x100000001b3u;
  }
  return hash;
}

}  // namespace rotor
