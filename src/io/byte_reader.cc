// SPDX-License-Identifier: Apache-2.0
// The window of ByteReader: 64 KiB of the file at a time, large fields read past it.
#include "io/byte_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/checked.h"

namespace rotor {
namespace {

constexpr uint64_t kWindowBytes = 64 * 1024;

}  // namespace

Status ByteReader::error(std::string_view field, uint64_t offset, std::string_view message) const {
  return format_error(fmt::format("{}: {} at offset {}: {}", file_.path(), field, offset, message));
}

Status ByteReader::too_short(std::string_view field, uint64_t needed) const {
  if (end_ < file_.size()) {
    return error(field, offset(),
                 fmt::format("needs {} bytes, but a header may have at most {}", needed, end_));
  }
  return error(field, offset(),
               fmt::format("needs {} bytes, but the file ends at {}", needed, end_));
}

Status ByteReader::expect(std::string_view field, uint64_t count, uint64_t size) const {
  const auto needed = checked_multiply(count, size);
  if (!needed || *needed > remaining()) {
    return too_short(field, needed.value_or(UINT64_MAX));
  }
  return Status();
}

Status ByteReader::refill(std::string_view field, size_t needed) {
  if (needed > remaining()) {
    return too_short(field, needed);
  }
  const uint64_t begin = offset();
  window_.resize(static_cast<size_t>(std::min(kWindowBytes, end_ - begin)));
  window_begin_ = begin;
  position_ = 0;
  return file_.read(begin, window_);
}

Status ByteReader::bytes(std::string_view field, std::span<std::byte> out) {
  if (out.size() > remaining()) {
    return too_short(field, out.size());
  }
  const size_t buffered = std::min(out.size(), window_.size() - position_);
  std::copy_n(window_.data() + position_, buffered, out.data());
  position_ += buffered;
  out = out.subspan(buffered);
  if (out.empty()) {
    return Status();
  }
  if (out.size() < kWindowBytes) {
    ROTOR_TRY(refill(field, out.size()));
    return bytes(field, out);
  }
  const uint64_t begin = offset();
  window_.clear();
  window_begin_ = begin + out.size();
  position_ = 0;
  return file_.read(begin, out);
}

Status ByteReader::append(std::string_view field, uint64_t count, uint64_t limit,
                          std::string& text) {
  if (count > limit) {
    return error(field, offset(), fmt::format("has {} bytes; the limit is {}", count, limit));
  }
  ROTOR_TRY(expect(field, count, 1));
  const size_t before = text.size();
  text.resize(before + static_cast<size_t>(count));
  return bytes(field, std::as_writable_bytes(std::span(text).subspan(before)));
}

}  // namespace rotor
