// SPDX-License-Identifier: Apache-2.0
#include "text/protobuf_reader.h"

#include <fmt/format.h>

namespace rotor {

Status ProtobufReader::error(size_t offset, const std::string& what) const {
  return format_error(fmt::format("{}, byte {}: {}", where_, offset, what));
}

Status ProtobufReader::expect(const ProtobufField& field, ProtobufField::Wire wire) const {
  if (field.wire == wire) {
    return Status::ok_status();
  }
  return error(field.offset, fmt::format("field {} has wire type {}; expected {}", field.number,
                                         static_cast<int>(field.wire), static_cast<int>(wire)));
}

// 7 bits a byte, lowest first, the last byte below 0x80; at most 10 bytes.
Result<uint64_t> ProtobufReader::varint() {
  const size_t begin = at_;
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (at_ == message_.size()) {
      return error(offset_ + begin, "the message ends inside a number");
    }
    const auto byte = static_cast<uint8_t>(message_[at_++]);
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) {
      return value;
    }
  }
  return error(offset_ + begin, "a number of more than 10 bytes");
}

Result<uint64_t> ProtobufReader::fixed(size_t bytes) {
  if (message_.size() - at_ < bytes) {
    return error(offset_ + at_, "the message ends inside a number");
  }
  uint64_t value = 0;
  for (size_t i = bytes; i-- > 0;) {
    value = value << 8 | static_cast<uint8_t>(message_[at_ + i]);
  }
  at_ += bytes;
  return value;
}

Result<std::optional<ProtobufField>> ProtobufReader::next() {
  if (at_ == message_.size()) {
    return std::optional<ProtobufField>();
  }
  const size_t begin = at_;
  ROTOR_ASSIGN(const uint64_t tag, varint());
  ProtobufField field;
  if (tag >> 3 == 0 || tag >> 3 > (1U << 29) - 1) {
    return error(offset_ + begin, fmt::format("field number {}; expected 1 to 2^29 - 1", tag >> 3));
  }
  field.number = static_cast<uint32_t>(tag >> 3);
  field.wire = static_cast<ProtobufField::Wire>(tag & 7);
  field.offset = offset_ + at_;
  switch (field.wire) {
    case ProtobufField::Wire::kVarint: {
      ROTOR_ASSIGN(field.value, varint());
      return std::optional(field);
    }
    case ProtobufField::Wire::kFixed64: {
      ROTOR_ASSIGN(field.value, fixed(8));
      return std::optional(field);
    }
    case ProtobufField::Wire::kFixed32: {
      ROTOR_ASSIGN(field.value, fixed(4));
      return std::optional(field);
    }
    case ProtobufField::Wire::kBytes: {
      ROTOR_ASSIGN(const uint64_t length, varint());
      if (length > message_.size() - at_) {
        return error(field.offset, fmt::format("field {} has {} bytes; {} are left", field.number,
                                               length, message_.size() - at_));
      }
      field.offset = offset_ + at_;
      field.bytes = message_.substr(at_, length);
      at_ += length;
      return std::optional(field);
    }
  }
  return error(offset_ + begin,
               fmt::format("field {} has wire type {}; expected 0, 1, 2 or 5", field.number,
                           tag & 7));
}

}  // namespace rotor
