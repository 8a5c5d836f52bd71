// SPDX-License-Identifier: Apache-2.0
// ProtobufReader: the fields of a protocol buffer message, one after the other, with every length
// checked (the wire format of protobuf's encoding page; groups are refused).
#pragma once

#include <rotor/status.h>

#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rotor {

struct ProtobufField {
  uint32_t number = 0;
  enum class Wire : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };
  Wire wire = Wire::kVarint;
  uint64_t value = 0;      // all but kBytes
  std::string_view bytes;  // kBytes: valid as long as the message
  size_t offset = 0;       // in the file, of the bytes or of the value

  float as_float() const { return std::bit_cast<float>(static_cast<uint32_t>(value)); }
};

class ProtobufReader {
 public:
  // `offset`: where the message starts in its file, `where`: the file and message, for messages.
  ProtobufReader(std::string_view message, size_t offset, std::string where)
      : message_(message), offset_(offset), where_(std::move(where)) {}

  // nullopt at the end. kFormatError names the byte at which the message breaks.
  Result<std::optional<ProtobufField>> next();

  // An error at a field: "<where>, byte <offset>: <what>".
  Status error(size_t offset, const std::string& what) const;
  // OK when the field is of that wire type, else an error that names both.
  Status expect(const ProtobufField& field, ProtobufField::Wire wire) const;

 private:
  Result<uint64_t> varint();
  Result<uint64_t> fixed(size_t bytes);

  std::string_view message_;
  size_t at_ = 0;
  size_t offset_;
  std::string where_;
};

}  // namespace rotor
