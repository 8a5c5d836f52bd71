// SPDX-License-Identifier: Apache-2.0
// A unit of the double array: bits 0-7 the label, bit 8 whether a key ends here, bit 9 whether the
// offset in bits 10-30 counts in 256s. The unit at the offset itself, with bit 31 set, is the leaf.
// The child for byte b is at (offset of the node) xor b. Nothing in a unit is believed: every
// position is checked against the array.
#include "text/sentencepiece_charsmap.h"

#include <fmt/format.h>

#include <algorithm>

namespace rotor {
namespace {

// What sentencepiece looks at: the first 32 keys that match. The other limit bounds the work on
// arrays that no builder made; real keys are a few characters long.
constexpr size_t kMaxMatches = 32;
constexpr size_t kMaxKeyBytes = 512;

uint32_t read_u32(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) {
    value = value << 8 | static_cast<uint8_t>(bytes[i]);
  }
  return value;
}

bool has_leaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t leaf_value(uint32_t unit) { return unit & 0x7FFFFFFF; }
uint32_t label(uint32_t unit) { return unit & 0x800000FF; }
uint32_t offset(uint32_t unit) { return (unit >> 10) << ((unit & 0x200) >> 6); }

}  // namespace

Result<SentencePieceCharsmap> SentencePieceCharsmap::create(std::string_view bytes,
                                                            const std::string& source) {
  SentencePieceCharsmap map;
  if (bytes.empty()) {
    return map;
  }
  const auto bad = [&](const std::string& what) {
    return format_error(fmt::format("{}: precompiled_charsmap: {}", source, what));
  };
  if (bytes.size() < 4) {
    return bad(fmt::format("{} bytes; expected at least 4", bytes.size()));
  }
  const uint32_t trie_bytes = read_u32(bytes);
  bytes.remove_prefix(4);
  if (trie_bytes % 4 != 0 || trie_bytes == 0 || trie_bytes >= bytes.size()) {
    return bad(fmt::format("its trie has {} bytes; expected a multiple of 4, from 4 to below {}",
                           trie_bytes, bytes.size()));
  }
  if (bytes.back() != '\0') {
    return bad("expected the replacements to end in a NUL byte");
  }
  map.units_.reserve(trie_bytes / 4);
  for (size_t at = 0; at < trie_bytes; at += 4) {
    map.units_.push_back(read_u32(bytes.substr(at)));
  }
  map.replacements_ = bytes.substr(trie_bytes);
  return map;
}

SentencePieceCharsmap::Match SentencePieceCharsmap::longest(std::string_view text) const {
  Match best;
  if (units_.empty()) {
    return best;
  }
  uint32_t at = offset(units_[0]);
  size_t matches = 0;
  const size_t limit = std::min(text.size(), kMaxKeyBytes);
  for (size_t i = 0; i < limit && matches < kMaxMatches; ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    at ^= byte;
    if (at >= units_.size() || label(units_[at]) != byte) {
      break;
    }
    const bool ends_key = has_leaf(units_[at]);
    at ^= offset(units_[at]);
    if (!ends_key) {
      continue;
    }
    const uint32_t begin = at < units_.size() ? leaf_value(units_[at]) : UINT32_MAX;
    if (begin >= replacements_.size()) {
      break;
    }
    best = {i + 1, std::string_view(replacements_.c_str() + begin)};
    ++matches;
  }
  return best;
}

}  // namespace rotor
