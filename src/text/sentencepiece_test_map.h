// SPDX-License-Identifier: Apache-2.0
// For tests: makes a precompiled_charsmap.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace rotor::test {

// Builds the double array naively: the children of every node get the first offset, a multiple of
// 256, at which nothing lies. At most 2^13 nodes, so that the offsets fit in 21 bits.
inline std::string charsmap_bytes(const std::map<std::string, std::string>& replacements) {
  std::string texts;
  std::vector<uint32_t> units(256);
  struct Node {
    size_t unit;
    std::string prefix;
  };
  std::vector<Node> nodes = {{0, ""}};
  for (size_t i = 0; i < nodes.size(); ++i) {
    const auto [unit, prefix] = nodes[i];
    const size_t block = units.size();
    units.resize(block + 256);
    // The offset is relative by exclusive or; bit 9 says that it counts in 256s.
    units[unit] |= static_cast<uint32_t>((block ^ unit) >> 8) << 10 | 1U << 9;
    // The low byte of the unit's own position stays in the exclusive or.
    const size_t base = (block ^ unit ^ (unit & 0xFF)) ^ unit;
    for (const auto& [key, text] : replacements) {
      if (key == prefix) {
        units[unit] |= 1U << 8;
        units[base] = 1U << 31 | static_cast<uint32_t>(texts.size());
        texts += text;
        texts += '\0';
      } else if (key.starts_with(prefix)) {
        const auto byte = static_cast<uint8_t>(key[prefix.size()]);
        const size_t child = base ^ byte;
        if ((units[child] & 0xFF) == 0 && byte != 0) {
          units[child] = byte;
          nodes.push_back({child, prefix + static_cast<char>(byte)});
        }
      }
    }
  }
  std::string bytes;
  const auto append = [&](uint32_t value) {
    for (int i = 0; i < 4; ++i) {
      bytes += static_cast<char>(value >> (8 * i));
    }
  };
  append(static_cast<uint32_t>(4 * units.size()));
  for (const uint32_t unit : units) {
    append(unit);
  }
  return bytes + (texts.empty() ? std::string(1, '\0') : texts);
}

}  // namespace rotor::test
