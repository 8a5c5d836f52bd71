// SPDX-License-Identifier: Apache-2.0
// SafetensorsFile: what it reads, each rule with its message, every prefix of a file, random
// damage, and the hostile files of the test data.
#include "io/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/test_bytes.h"
#include "io/test_hostile_files.h"

namespace rotor {
namespace {

using test::safetensors_bytes;
using testing::ElementsAre;
using testing::HasSubstr;

Result<SafetensorsFile> parse(std::string bytes) {
  return SafetensorsFile::parse(File::from_memory(std::move(bytes), "t.safetensors"));
}

std::string message(std::string_view header, std::string_view data) {
  const auto file = parse(safetensors_bytes(header, data));
  return file.ok() ? "accepted" : file.status().message();
}

const std::string kTwo = safetensors_bytes(
    R"({"b":{"dtype":"F32","shape":[1,2],"data_offsets":[3,11]},"__metadata__":{"k":"v"},)"
    R"("a":{"dtype":"U8","shape":[3],"data_offsets":[0,3],"more":[1]}}  )",
    "abc01234567");

TEST(Safetensors, ReadsTensorsInFileOrder) {
  const auto file = parse(kTwo);
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_EQ(file->tensors().size(), 2u);
  EXPECT_EQ(file->tensors()[0].name, "a");
  EXPECT_EQ(file->tensors()[1].name, "b");
  EXPECT_EQ(file->tensors()[1].dtype, DType::kF32);
  EXPECT_THAT(file->tensors()[1].shape, ElementsAre(1, 2));
  EXPECT_EQ(file->metadata().at("k"), "v");
  EXPECT_EQ(file->find("c"), nullptr);

  std::string text(4, '\0');
  const SafetensorsTensor* b = file->find("b");
  ASSERT_NE(b, nullptr);
  ASSERT_TRUE(file->read(*b, 4, std::as_writable_bytes(std::span(text))).ok());
  EXPECT_EQ(text, "4567");
  EXPECT_EQ(file->read(*b, 5, std::as_writable_bytes(std::span(text))).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(file->read(*b, UINT64_MAX, std::as_writable_bytes(std::span(text))).code(),
            Code::kInvalidArgument);
}

TEST(Safetensors, AcceptsTheEdges) {
  EXPECT_EQ(message("{}", ""), "accepted");
  EXPECT_EQ(message(R"({"s":{"dtype":"F16","shape":[],"data_offsets":[0,2]}})", "xy"), "accepted");
  EXPECT_EQ(message(R"({"z":{"dtype":"F32","shape":[0,5],"data_offsets":[0,0]},)"
                    R"("y":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                    R"("x":{"dtype":"I64","shape":[0],"data_offsets":[1,1]}})",
                    "x"),
            "accepted");
  EXPECT_EQ(message(R"({"f":{"dtype":"F4","shape":[4],"data_offsets":[0,2]}})", "xy"), "accepted");
}

TEST(Safetensors, RefusesWithTheReason) {
  const auto one = [](std::string_view fields) {
    return message("{\"w\":{" + std::string(fields) + "}}", "abcd");
  };
  EXPECT_THAT(one(R"("dtype":"U9","shape":[4],"data_offsets":[0,4])"),
              HasSubstr(R"(tensor "w": unknown dtype "U9")"));
  EXPECT_THAT(one(R"("dtype":7,"shape":[4],"data_offsets":[0,4])"), HasSubstr("not a string"));
  EXPECT_THAT(one(R"("dtype":"U8","shape":[4.0],"data_offsets":[0,4])"),
              HasSubstr("dimension 0 is not an integer"));
  EXPECT_THAT(one(R"("dtype":"U8","shape":[-4],"data_offsets":[0,4])"), HasSubstr("dimension 0"));
  EXPECT_THAT(one(R"("dtype":"U8","shape":4,"data_offsets":[0,4])"), HasSubstr("not an array"));
  EXPECT_THAT(one(R"("dtype":"U8","shape":[1,1,1,1,1,1,1,1,4],"data_offsets":[0,4])"),
              HasSubstr("9 dimensions"));
  EXPECT_THAT(one(R"("dtype":"U8","shape":[4],"data_offsets":[0,4,4])"), HasSubstr("two integers"));
  EXPECT_THAT(one(R"("dtype":"U8","shape":[4],"data_offsets":[4,0])"), HasSubstr("leave the 4"));
  EXPECT_THAT(one(R"("dtype":"U8","shape":[5],"data_offsets":[0,5])"), HasSubstr("leave the 4"));
  EXPECT_THAT(one(R"("dtype":"U8","shape":[3],"data_offsets":[0,4])"),
              HasSubstr("U8 of shape [3] needs 3 bytes, but data_offsets [0, 4] hold 4"));
  EXPECT_THAT(one(R"("dtype":"U8","shape":[3],"data_offsets":[0,3])"),
              HasSubstr("the tensors end at offset"));
  EXPECT_THAT(one(R"("dtype":"U8","shape":[3],"data_offsets":[1,4])"),
              HasSubstr("bytes in between belong to no tensor"));
  EXPECT_THAT(one(R"("dtype":"U8","shape":[4])"), HasSubstr("has no data_offsets"));
  EXPECT_THAT(one(R"("dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4])"),
              HasSubstr("dtype occurs twice"));
  EXPECT_THAT(one(R"("dtype":"F4","shape":[7],"data_offsets":[0,4])"), HasSubstr("needs 3 bytes"));
  EXPECT_THAT(one(R"("dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0])"),
              HasSubstr("needs more than 2^61 bytes"));
  EXPECT_THAT(one(R"("dtype":"U8","shape":[4294967296,4294967296,0],"data_offsets":[0,0])"),
              HasSubstr("needs more than 2^61 bytes"));
  EXPECT_THAT(message(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                      R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
                      "abc"),
              HasSubstr("overlaps"));
  EXPECT_THAT(message(R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
                      R"("a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
                      ""),
              HasSubstr(R"(tensor "a" occurs twice)"));
  EXPECT_THAT(message(R"({"w":[]})", ""), HasSubstr("not an object"));
  EXPECT_THAT(message("[]", ""), HasSubstr("not a JSON object"));
  EXPECT_THAT(message(R"({"__metadata__":{"a":1}})", ""), HasSubstr("not a string"));
  EXPECT_THAT(message(R"({"__metadata__":{"a":"","a":""}})", ""), HasSubstr("occurs twice"));
  EXPECT_THAT(message(R"({"__metadata__":{},"__metadata__":{}})", ""), HasSubstr("occurs twice"));
  EXPECT_THAT(message("{\"a\\u0000\\n\\\"\":{}}", ""), HasSubstr(R"("a\x00\x0a\x22")"));
}

TEST(Safetensors, RefusesLengthsWithoutReadingThem) {
  std::string bytes;
  test::put<uint64_t>(bytes, 100'000'001);
  EXPECT_THAT(parse(bytes + "{}").status().message(), HasSubstr("at most 100000000"));
  bytes.clear();
  test::put<uint64_t>(bytes, UINT64_MAX);
  EXPECT_FALSE(parse(bytes + "{}").ok());
  bytes.clear();
  test::put<uint64_t>(bytes, 3);
  EXPECT_THAT(parse(bytes + "{}").status().message(),
              HasSubstr("header at offset 8: needs 3 bytes, but the file ends at 10"));
}

TEST(Safetensors, LimitOfTensors) {
  std::string header = "{";
  for (int i = 0; i < 65'536; ++i) {
    header += "\"" + std::to_string(i) + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)";
  }
  EXPECT_EQ(message(header.substr(0, header.size() - 1) + "}", ""), "accepted");
  header += R"("one more":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})";
  EXPECT_THAT(message(header, ""), HasSubstr("more than 65536 tensors"));
}

TEST(Safetensors, EveryPrefixIsRefused) {
  for (size_t size = 0; size < kTwo.size(); ++size) {
    const auto file = parse(kTwo.substr(0, size));
    ASSERT_FALSE(file.ok()) << size;
    EXPECT_THAT(file.status().message(), testing::StartsWith("t.safetensors: "));
  }
  EXPECT_FALSE(parse(kTwo + "x").ok());
}

TEST(Safetensors, SurvivesDamage) {
  size_t accepted = 0;
  const auto attempt = [&](std::string bytes) { accepted += parse(std::move(bytes)).ok(); };
  test::flip_bits(kTwo, 20'000, attempt);
  test::boundary_numbers(kTwo, attempt);
  EXPECT_GT(accepted, 0u);  // flips in the data and in names are no contradiction
}

// The seeds of safetensors_fuzz say in their names what they are.
TEST(Safetensors, OwnCorpus) {
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(test::corpus("safetensors"))) {
    const std::string name = entry.path().filename();
    const auto file = SafetensorsFile::open(entry.path());
    const bool sound = name.starts_with("ok_") || name.starts_with("bad_code_3");
    EXPECT_EQ(file.ok(), sound) << name << ": " << file.status().message();
    ++files;
  }
  EXPECT_GE(files, 40u);
}

TEST(Safetensors, HostileFiles) {
  test::check_hostile_files("safetensors/", 24,
                            [](const auto& path) { return SafetensorsFile::open(path); });
}

}  // namespace
}  // namespace rotor
