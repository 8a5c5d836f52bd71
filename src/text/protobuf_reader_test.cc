// SPDX-License-Identifier: Apache-2.0
#include "text/protobuf_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace rotor {
namespace {

using testing::HasSubstr;
using Wire = ProtobufField::Wire;
using std::string_view_literals::operator""sv;

Result<std::vector<ProtobufField>> read(std::string_view bytes) {
  ProtobufReader reader(bytes, 100, "m");
  std::vector<ProtobufField> fields;
  while (true) {
    ROTOR_ASSIGN(const auto field, reader.next());
    if (!field) {
      return fields;
    }
    fields.push_back(*field);
  }
}

TEST(Protobuf, EveryWireType) {
  const auto fields = read("\x08\x96\x01\x12\x03xyz\x1D\x00\x00\x80\x3F\x21\1\0\0\0\0\0\0\x80"sv);
  ASSERT_TRUE(fields.ok()) << fields.status().message();
  ASSERT_EQ(fields->size(), 4u);
  EXPECT_EQ(fields->at(0).number, 1u);
  EXPECT_EQ(fields->at(0).value, 150u);
  EXPECT_EQ(fields->at(1).bytes, "xyz");
  EXPECT_EQ(fields->at(1).offset, 105u);
  EXPECT_EQ(fields->at(2).as_float(), 1.0f);
  EXPECT_EQ(fields->at(3).wire, Wire::kFixed64);
  EXPECT_EQ(fields->at(3).value, 0x8000000000000001u);
}

TEST(Protobuf, BrokenMessagesNameTheByte) {
  const auto error = [](std::string_view bytes) {
    const auto fields = read(bytes);
    EXPECT_EQ(fields.status().code(), Code::kFormatError);
    return fields.status().message();
  };
  EXPECT_EQ(error("\x12\x05xyz"), "m, byte 101: field 2 has 5 bytes; 3 are left");
  EXPECT_THAT(error("\x12\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"), HasSubstr("0 are left"));
  EXPECT_EQ(error("\x08\x80"), "m, byte 101: the message ends inside a number");
  EXPECT_THAT(error("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
              HasSubstr("more than 10 bytes"));
  EXPECT_THAT(error("\x1D\x00\x00"sv), HasSubstr("byte 101: the message ends inside a number"));
  EXPECT_THAT(error("\x00\x00"sv), HasSubstr("byte 100: field number 0; expected 1"));
  EXPECT_THAT(error("\x0B"), HasSubstr("field 1 has wire type 3; expected 0, 1, 2 or 5"));
}

TEST(Protobuf, ExpectNamesBothWireTypes) {
  ProtobufReader reader("\x08\x01", 0, "m");
  const auto field = reader.next();
  EXPECT_TRUE(reader.expect(**field, Wire::kVarint).ok());
  EXPECT_EQ(reader.expect(**field, Wire::kBytes).message(),
            "m, byte 1: field 1 has wire type 0; expected 2");
}

}  // namespace
}  // namespace rotor
