// SPDX-License-Identifier: Apache-2.0
// ByteReader: reads the fields of a binary file in order. Every length is checked against what is
// left before anything is allocated, and every failure names the file, the field and its offset.
#pragma once

#include <rotor/status.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/file.h"

namespace rotor {

static_assert(std::endian::native == std::endian::little, "file formats here are little-endian");

// Not owning: `file` must outlive it. One thread at a time.
class ByteReader {
 public:
  // Reads from the start of `file`, at most `limit` bytes of it.
  ByteReader(const File& file, uint64_t limit)
      : file_(file), end_(file.size() < limit ? file.size() : limit) {}

  uint64_t offset() const { return window_begin_ + position_; }
  uint64_t remaining() const { return end_ - offset(); }

  // A little-endian number or byte. `field` says what it is, for messages.
  template <typename T>
  Result<T> number(std::string_view field) {
    static_assert(std::is_arithmetic_v<T>);
    if (window_.size() - position_ < sizeof(T)) {
      ROTOR_TRY(refill(field, sizeof(T)));
    }
    T value;
    std::memcpy(&value, window_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return value;
  }

  // Fills `out`.
  Status bytes(std::string_view field, std::span<std::byte> out);

  // Appends `count` bytes, at most `limit`, to `text`.
  Status append(std::string_view field, uint64_t count, uint64_t limit, std::string& text);

  // kFormatError when fewer than count * size bytes are left: to be called before allocating for
  // `count` elements of at least `size` bytes each.
  Status expect(std::string_view field, uint64_t count, uint64_t size) const;

  // The error "<file>: <field> at offset <offset>: <message>".
  Status error(std::string_view field, uint64_t offset, std::string_view message) const;

 private:
  Status refill(std::string_view field, size_t needed);
  Status too_short(std::string_view field, uint64_t needed) const;

  const File& file_;
  uint64_t end_;
  std::vector<std::byte> window_;  // bytes [window_begin_, window_begin_ + window_.size())
  uint64_t window_begin_ = 0;
  size_t position_ = 0;  // next byte, within the window
};

}  // namespace rotor
