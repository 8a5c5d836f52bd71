// SPDX-License-Identifier: Apache-2.0
// SafetensorsWriter: what it writes is read back, aligned and with the right checksums; misuse and
// early ends leave no file.
#include "io/safetensors_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/sha256.h"
#include "base/test_folder.h"
#include "io/container.h"
#include "io/safetensors.h"

namespace rotor {
namespace {

using testing::HasSubstr;

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

class SafetensorsWriterTest : public testing::Test, protected test::TestFolder {
 protected:
  const std::string path_ = path("model.rotor");
};

// Other programs' files: no padding, no checksums.
TEST_F(SafetensorsWriterTest, PlainFilesHoldTheirTensorsAlone) {
  auto writer = SafetensorsWriter::create(path_, {{"a", DType::kU8, {3}}, {"b", DType::kF16, {1}}},
                                          {{"format", "pt"}}, SafetensorsWriter::Kind::kPlain);
  ASSERT_TRUE(writer.ok()) << writer.status().message();
  ASSERT_TRUE(writer->write("a", bytes("abc")).ok());
  ASSERT_TRUE(writer->write("b", bytes("de")).ok());
  ASSERT_TRUE(writer->commit().ok());
  const auto file = SafetensorsFile::open(path_);
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->tensors().size(), 2u);
  EXPECT_EQ(file->metadata(), (std::map<std::string, std::string>{{"format", "pt"}}));
  EXPECT_EQ(file->file().size(), writer->file_bytes());
}

TEST_F(SafetensorsWriterTest, IsReadBack) {
  const std::string weights(100, 'w');
  const std::string scales(12, 's');
  auto writer = SafetensorsWriter::create(
      path_,
      {{"layers.0.q.weight", DType::kU8, {10, 10}},
       {"empty", DType::kF32, {0, 3}},
       {"layers.0.q.scale", DType::kF32, {3}},
       {"odd \"name\"\n", DType::kU8, {64}},
       {"last", DType::kI8, {0}}},
      {{"rotor.version", "1"}, {"note", "quote \" backslash \\ tab \t"}, {"filled.in", "????"}});
  ASSERT_TRUE(writer.ok()) << writer.status().message();
  const uint64_t announced = writer->file_bytes();
  ASSERT_TRUE(writer->write("layers.0.q.weight", bytes(weights).first(37)).ok());
  ASSERT_TRUE(writer->write("layers.0.q.weight", bytes(weights).subspan(37)).ok());
  SafetensorsWriter moved = *std::move(writer);
  ASSERT_TRUE(moved.write("layers.0.q.scale", bytes(scales)).ok());
  ASSERT_TRUE(moved.write("odd \"name\"\n", bytes(std::string(64, 'o'))).ok());
  ASSERT_TRUE(moved.set_metadata("filled.in", "1234").ok());
  EXPECT_FALSE(std::filesystem::exists(path_));
  const Status committed = moved.commit();
  ASSERT_TRUE(committed.ok()) << committed.message();

  const auto file = SafetensorsFile::open(path_);
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->file().size(), announced);
  EXPECT_EQ(*identify_container(path_), Container::kRotor);
  EXPECT_EQ(file->metadata().at("note"), "quote \" backslash \\ tab \t");
  EXPECT_EQ(file->metadata().at("filled.in"), "1234");
  EXPECT_EQ(file->metadata().at("sha256.layers.0.q.weight"), sha256_hex(bytes(weights)));
  EXPECT_EQ(file->metadata().at("sha256.empty"), sha256_hex({}));
  size_t pads = 0;
  for (const SafetensorsTensor& tensor : file->tensors()) {
    if (tensor.name.starts_with("rotor.pad.")) {
      ++pads;
      continue;
    }
    EXPECT_EQ(tensor.offset % 64, 0u) << tensor.name;
    std::string content(tensor.bytes, '\0');
    ASSERT_TRUE(file->read(tensor, 0, std::as_writable_bytes(std::span(content))).ok());
    EXPECT_EQ(file->metadata().at("sha256." + tensor.name), sha256_hex(bytes(content)));
  }
  EXPECT_EQ(pads, 2u);
}

TEST_F(SafetensorsWriterTest, TextThatIsNoUtf8) {
  auto writer = SafetensorsWriter::create(path_, {}, {{"utf8", "\xc3\xa9"}, {"latin1", "caf\xe9"}});
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE(writer->commit().ok());
  const auto file = SafetensorsFile::open(path_);
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->metadata().at("utf8"), "\xc3\xa9");
  EXPECT_EQ(file->metadata().at("latin1"), "caf\xef\xbf\xbd");
}

TEST_F(SafetensorsWriterTest, MisuseIsAnErrorAndLeavesNothing) {
  const std::vector<SafetensorsWriter::Tensor> two = {{"a", DType::kU8, {2}},
                                                      {"b", DType::kU8, {2}}};
  const auto attempt = [&](auto use) {
    auto writer = SafetensorsWriter::create(path_, two, {{"k", "v"}});
    EXPECT_TRUE(writer.ok());
    return use(*writer);
  };
  EXPECT_THAT(attempt([](auto& w) { return w.write("b", bytes("x")); }).message(),
              HasSubstr("tensor \"a\" has 0 of its 2 bytes"));
  EXPECT_FALSE(attempt([](auto& w) { return w.write("a", bytes("xyz")); }).ok());
  EXPECT_FALSE(attempt([](auto& w) { return w.write("c", bytes("x")); }).ok());
  EXPECT_FALSE(attempt([](auto& w) { return w.set_metadata("k", "vv"); }).ok());
  EXPECT_FALSE(attempt([](auto& w) { return w.set_metadata("absent", "v"); }).ok());
  EXPECT_FALSE(attempt([](auto& w) {
                 EXPECT_TRUE(w.write("a", bytes("xy")).ok());
                 return w.commit();
               }).ok());
  EXPECT_TRUE(std::filesystem::is_empty(path()));

  const auto declare = [&](std::vector<SafetensorsWriter::Tensor> tensors,
                           const std::map<std::string, std::string>& metadata) {
    return SafetensorsWriter::create(path_, std::move(tensors), metadata).status().code();
  };
  EXPECT_EQ(declare({two[0], two[0]}, {}), Code::kInvalidArgument);
  EXPECT_EQ(declare({{"rotor.pad.0", DType::kU8, {1}}}, {}), Code::kInvalidArgument);
  EXPECT_EQ(declare(two, {{"sha256.a", "0"}}), Code::kInvalidArgument);
  EXPECT_EQ(declare({{"a", DType::kF32, {1ull << 62, 4}}}, {}), Code::kInvalidArgument);
  EXPECT_EQ(declare({{"a", DType::kF4, {3}}}, {}), Code::kInvalidArgument);
  EXPECT_TRUE(std::filesystem::is_empty(path()));
}

}  // namespace
}  // namespace rotor
