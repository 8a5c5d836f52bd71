// SPDX-License-Identifier: Apache-2.0
// GgufWriter: what it writes is read back; misuse and early ends leave no file.
#include "io/gguf_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>

#include "base/test_folder.h"
#include "io/gguf.h"

namespace rotor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Entries = std::vector<GgufWriter::Entry>;
using Tensors = std::vector<GgufWriter::Tensor>;

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

class GgufWriterTest : public testing::Test, protected test::TestFolder {
 protected:
  Status refusal(const Entries& metadata, const Tensors& tensors) {
    const Status status = GgufWriter::create(path_, metadata, tensors).status();
    EXPECT_EQ(entries(), 0u);
    return status;
  }

  const std::string path_ = path("m.gguf");
};

TEST_F(GgufWriterTest, IsReadBack) {
  auto writer = GgufWriter::create(
      path_,
      {{"general.architecture", std::string("bitnet")},
       {"n", uint32_t{4'000'000'000}},
       {"i", int32_t{-7}},
       {"f", -0.1f},
       {"yes", true},
       {"no", false},
       {"texts", std::vector<std::string>{"a", "", "\xc4\xa0x"}},
       {"numbers", std::vector<int32_t>{-1, std::numeric_limits<int32_t>::min()}},
       {"none", std::vector<int32_t>{}},
       {"reals", std::vector<float>{-1.5f, 3e38f}},
       {"flags", std::vector<bool>{true, false, true}},
       {"filled.in", std::string("????")}},
      {{"a.weight", kGgufF32, {3, 2}, 24},
       {"i2s", kGgufI2S, {128, 1}, 64},
       {"b.weight", kGgufF16, {5}, 10}});
  ASSERT_TRUE(writer.ok()) << writer.status().message();
  const std::string a(24, 'a');
  ASSERT_TRUE(writer->write("a.weight", bytes(a).first(7)).ok());
  ASSERT_TRUE(writer->write("a.weight", bytes(a).subspan(7)).ok());
  GgufWriter moved = *std::move(writer);
  ASSERT_TRUE(moved.write("i2s", bytes(std::string(64, 'i'))).ok());
  ASSERT_TRUE(moved.write("b.weight", bytes("0123456789")).ok());
  ASSERT_TRUE(moved.set_text("filled.in", "1234").ok());
  ASSERT_TRUE(moved.finish().ok());
  EXPECT_TRUE(GgufFile::open(moved.temporary_path()).ok());
  EXPECT_FALSE(std::filesystem::exists(path_));
  ASSERT_TRUE(moved.commit().ok());
  EXPECT_EQ(std::filesystem::file_size(path_), moved.file_bytes());
  EXPECT_EQ(entries(), 1u);

  const auto file = GgufFile::open(path_);
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->version(), 3u);
  EXPECT_EQ(**file->integer("n"), 4'000'000'000);
  EXPECT_EQ(**file->integer("i"), -7);
  EXPECT_EQ(static_cast<float>(**file->number("f")), -0.1f);
  EXPECT_TRUE(**file->boolean("yes"));
  EXPECT_FALSE(**file->boolean("no"));
  EXPECT_EQ(**file->string("filled.in"), "1234");
  EXPECT_EQ(**file->floats("reals"), (std::vector<float>{-1.5f, 3e38f}));
  EXPECT_EQ(**file->integers("flags"), (std::vector<int64_t>{1, 0, 1}));
  const GgufStrings& texts = **file->strings("texts");
  ASSERT_EQ(texts.size(), 3u);
  EXPECT_EQ(texts[1], "");
  EXPECT_EQ(texts[2], "\xc4\xa0x");
  EXPECT_THAT(**file->integers("numbers"), ElementsAre(-1, std::numeric_limits<int32_t>::min()));
  EXPECT_THAT(**file->integers("none"), ElementsAre());
  std::string content(10, '\0');
  const GgufTensor& b = *file->find_tensor("b.weight");
  ASSERT_TRUE(file->read(b, 0, std::as_writable_bytes(std::span(content))).ok());
  EXPECT_EQ(content, "0123456789");
  EXPECT_EQ(b.offset % 32, 0u);
  EXPECT_EQ(file->find_tensor("a.weight")->dims[1], 2u);
}

TEST_F(GgufWriterTest, NoTensorsAreAFileToo) {
  auto writer = GgufWriter::create(path_, {{"general.architecture", std::string("x")}}, {});
  ASSERT_TRUE(writer.ok());
  EXPECT_TRUE(writer->finish().ok());
  EXPECT_TRUE(writer->commit().ok());
  EXPECT_TRUE(GgufFile::open(path_).ok());
}

TEST_F(GgufWriterTest, RefusesWhatNoReaderTakes) {
  const std::string long_text((1 << 20) + 1, 'x');
  EXPECT_THAT(refusal({{"k", uint32_t{1}}, {"k", true}}, {}).message(), HasSubstr("\"k\" twice"));
  EXPECT_THAT(refusal({{"", true}}, {}).message(), HasSubstr("0 bytes"));
  EXPECT_THAT(refusal({{"k", long_text}}, {}).message(), HasSubstr("1048577 bytes"));
  EXPECT_THAT(refusal({{"k", std::vector<std::string>{long_text}}}, {}).message(),
              HasSubstr("at most 1048576"));
  const GgufWriter::Tensor good = {"t", kGgufF32, {2}, 8};
  EXPECT_THAT(refusal({}, {good, good}).message(), HasSubstr("\"t\" twice"));
  EXPECT_FALSE(refusal({}, {{"t", kGgufF32, {2}, 9}}).ok());
  EXPECT_FALSE(refusal({}, {{"t", kGgufF32, {}, 4}}).ok());
  EXPECT_FALSE(refusal({}, {{std::string(64, 'n'), kGgufF32, {2}, 8}}).ok());
  EXPECT_FALSE(refusal({}, {{"t", kGgufI2S, {1ull << 40, 1ull << 40}, 64}}).ok());
  const uint64_t huge = INT64_MAX / 2;
  EXPECT_THAT(refusal({}, {{"t", kGgufI2S, {128}, huge}, {"u", kGgufI2S, {128}, huge}}).message(),
              HasSubstr("too large"));
}

TEST_F(GgufWriterTest, MisuseIsAnErrorAndLeavesNoFile) {
  const Tensors tensors = {{"a", kGgufF32, {2}, 8}, {"b", kGgufF32, {1}, 4}};
  {
    auto writer = GgufWriter::create(path_, {{"k", std::string("four")}}, tensors);
    ASSERT_TRUE(writer.ok());
    EXPECT_EQ(writer->set_text("k", "three").code(), Code::kInternal);
    EXPECT_EQ(writer->set_text("l", "four").code(), Code::kInternal);
    EXPECT_EQ(writer->write("b", bytes("1234")).code(), Code::kInternal);  // a is not complete
    EXPECT_EQ(writer->write("a", bytes("123456789")).code(), Code::kInternal);
    EXPECT_EQ(writer->finish().code(), Code::kInternal);
    ASSERT_TRUE(writer->write("a", bytes("12345678")).ok());
    ASSERT_TRUE(writer->write("b", bytes("1234")).ok());
    EXPECT_EQ(writer->write("a", bytes("1")).code(), Code::kInternal);  // out of turn
  }
  EXPECT_EQ(entries(), 0u);
}

}  // namespace
}  // namespace rotor
