// SPDX-License-Identifier: Apache-2.0
// GgufFile::parse: each rule with its message, every prefix of a file, damage, the limits, and the
// hostile files of the test data.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>

#include "io/gguf.h"
#include "io/i2s.h"
#include "io/iq_bn.h"
#include "io/ternary_blocks.h"
#include "io/test_bytes.h"
#include "io/test_hostile_files.h"

namespace rotor {
namespace {

using test::GgufBytes;
using testing::HasSubstr;

Result<GgufFile> parse(std::string bytes) {
  return GgufFile::parse(File::from_memory(std::move(bytes), "t.gguf"));
}

std::string message(const GgufBytes& file) {
  const auto parsed = parse(file.bytes());
  return parsed.ok() ? "accepted" : parsed.status().message();
}

TEST(Gguf, ReadsVersion2AndOtherAlignments) {
  GgufBytes file;
  file.version = 2;
  file.alignment = 4096;
  file.add<uint32_t>("general.alignment", 4, 4096);
  file.add_tensor("a", {1}, kGgufF32, "abcd");
  file.add_tensor("b", {1}, kGgufF32, "abcd");
  const auto parsed = parse(file.bytes());
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ(parsed->find_tensor("b")->offset, 8192u);
}

TEST(Gguf, RefusesOtherVersionsByName) {
  GgufBytes file = test::sample_gguf();
  file.version = 1;
  EXPECT_THAT(message(file), HasSubstr("GGUF version 1 is not read"));
  file.version = 0x03000000;
  EXPECT_THAT(message(file), HasSubstr("big-endian"));
  file.version = 4;
  EXPECT_THAT(message(file), HasSubstr("version at offset 4: expected 2 or 3, found 4"));
}

// What parsing an empty file says after `change`.
template <typename Change>
std::string with(Change change) {
  GgufBytes file;
  change(file);
  return message(file);
}

TEST(Gguf, RefusesBrokenMetadata) {
  EXPECT_THAT(with([](GgufBytes& f) { f.add<uint8_t>("k", 13, 0); }),
              HasSubstr(R"(value of "k" at offset 33: unknown value type 13)"));
  EXPECT_THAT(with([](GgufBytes& f) { f.add<uint8_t>("k", 7, 2); }), HasSubstr("expected 0 or 1"));
  EXPECT_THAT(with([](GgufBytes& f) {
                f.add_array<uint8_t>("k", 7, {0, 2});
              }),
              HasSubstr("expected 0 or 1"));
  EXPECT_THAT(with([](GgufBytes& f) { f.add_array<uint8_t>("k", 9, {}); }),
              HasSubstr("array of elements of type 9"));
  EXPECT_THAT(with([](GgufBytes& f) {
                f.add<uint8_t>("k", 0, 0);
                f.add<uint8_t>("k", 0, 0);
              }),
              HasSubstr("the key occurs twice"));
  EXPECT_THAT(with([](GgufBytes& f) { f.add<int32_t>("general.alignment", 5, 32); }),
              HasSubstr("expected a value of type u32"));
  for (const uint32_t bad : {0u, 1u, 24u, 0x80000000u, 131072u}) {
    EXPECT_THAT(with([bad](GgufBytes& f) { f.add<uint32_t>("general.alignment", 4, bad); }),
                HasSubstr("expected a power of two from 8 to 65536"));
  }
  EXPECT_THAT(with([](GgufBytes& f) { f.entries = 65'537; }), HasSubstr("at most 65536"));
  EXPECT_THAT(with([](GgufBytes& f) { f.tensors = 65'537; }), HasSubstr("at most 65536"));
  EXPECT_THAT(with([](GgufBytes& f) { f.entries = 65'536; }),
              HasSubstr("metadata at offset 24: needs 851968 bytes, but the file ends at 24"));
}

TEST(Gguf, RefusesBrokenDescriptions) {
  const std::string data(64, 'x');
  EXPECT_THAT(with([&](GgufBytes& f) {
                f.add_tensor("t", {1, 1, 1, 1, 1}, 0, data);
              }),
              HasSubstr("has 5 dimensions"));
  EXPECT_THAT(with([&](GgufBytes& f) { f.add_tensor("t", {0}, 0, data); }),
              HasSubstr("dimension 0 is 0"));
  EXPECT_THAT(with([&](GgufBytes& f) {
                f.add_tensor("t", {1ull << 47, 2}, 0, data);
              }),
              HasSubstr("fewer than 2^48"));
  EXPECT_THAT(with([&](GgufBytes& f) {
                f.add_tensor("t", {1ull << 32, 1ull << 32}, 0, data);
              }),
              HasSubstr("fewer than 2^48"));
  EXPECT_THAT(with([&](GgufBytes& f) { f.add_tensor("t", {16}, 255, data); }),
              HasSubstr("unknown tensor type 255"));
  EXPECT_THAT(with([&](GgufBytes& f) { f.add_tensor("t", {33}, kGgufQ8_0, data); }),
              HasSubstr("no whole blocks of 32, which Q8_0 asks for"));
  EXPECT_THAT(with([&](GgufBytes& f) { f.add_tensor("t", {17}, 0, data); }),
              HasSubstr("17 elements of F32 need 68 bytes, but the file ends at 128"));
  EXPECT_THAT(with([&](GgufBytes& f) { f.add_tensor(std::string(64, 'n'), {16}, 0, data); }),
              HasSubstr("has 64 bytes; the limit is 63"));
  EXPECT_THAT(with([&](GgufBytes& f) {
                f.add_tensor("t", {16}, 0, data);
                f.add_tensor("t", {16}, 0, data);
              }),
              HasSubstr("the name occurs twice"));
}

TEST(Gguf, RefusesTensorsOutOfPlace) {
  const std::string data(64, 'x');
  EXPECT_THAT(with([&](GgufBytes& f) {
                f.describe("a", {16}, 0, 0);
                f.describe("b", {16}, 0, 32);
                f.data = data + data;
              }),
              HasSubstr("need 64 bytes, but the next tensor starts"));
  EXPECT_THAT(with([&](GgufBytes& f) {
                f.describe("a", {16}, kGgufTL1, 0);
                f.describe("b", {16}, kGgufTL1, 0);
                f.data = data;
              }),
              HasSubstr("another tensor starts at the same offset"));
  EXPECT_THAT(with([&](GgufBytes& f) {
                f.describe("a", {8}, 0, 0);
                f.describe("b", {8}, 0, 64);
                f.data = data + data;
              }),
              HasSubstr("bytes in between belong to no tensor"));
  EXPECT_THAT(with([&](GgufBytes& f) {
                f.describe("a", {8}, 0, 32);
                f.data = data;
              }),
              HasSubstr("is the first, but data start at 64"));
  EXPECT_THAT(with([&](GgufBytes& f) {
                f.describe("a", {1}, 0, 4);
                f.data = data;
              }),
              HasSubstr("no multiple of the alignment 32"));
  for (const uint64_t far : {64ull, 1ull << 32, 1ull << 63, 0xffffffffffffffe0ull}) {
    EXPECT_THAT(with([&](GgufBytes& f) {
                  f.describe("a", {1}, 0, far);
                  f.data = data;
                }),
                HasSubstr("starts past the end of the file"));
  }
}

TEST(Gguf, LimitsOfStringsAndArrays) {
  GgufBytes at_limit;
  at_limit.add("k", std::string(1 << 20, 's'));
  at_limit.add(std::string(65'535, 'k'), "v");
  at_limit.add_tensor(std::string(63, 'n'), {1}, 0, "abcd");
  EXPECT_EQ(message(at_limit), "accepted");
  GgufBytes above;
  above.add("k", std::string((1 << 20) + 1, 's'));
  EXPECT_THAT(message(above), HasSubstr("has 1048577 bytes; the limit is 1048576"));
  GgufBytes huge;
  huge.add<uint32_t>("k", 9, 8);
  test::put<uint64_t>(huge.metadata, 16'000'000);
  EXPECT_THAT(message(huge), HasSubstr("needs 128000000 bytes"));
  huge.metadata.resize(huge.metadata.size() - 8);
  test::put<uint64_t>(huge.metadata, 16'000'001);
  EXPECT_THAT(message(huge), HasSubstr("at most 16000000"));
}

TEST(Gguf, LimitOfEntriesAndTensors) {
  GgufBytes file;
  for (int i = 0; i < 65'536; ++i) {
    file.add<uint8_t>(std::to_string(i), 0, 0);
    file.add_tensor(std::to_string(i), {1}, kGgufF32, "abcd");
  }
  EXPECT_EQ(message(file), "accepted");
}

TEST(Gguf, EveryPrefixIsRefusedWithFieldAndOffset) {
  const std::string bytes = test::sample_gguf().bytes();
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto file = parse(bytes.substr(0, size));
    ASSERT_FALSE(file.ok()) << size;
    EXPECT_THAT(file.status().message(),
                testing::MatchesRegex("t.gguf: [a-z].* at offset [0-9]+: .*"));
  }
}

TEST(Gguf, SurvivesDamage) {
  const std::string bytes = test::sample_gguf().bytes();
  size_t accepted = 0;
  const auto attempt = [&](std::string damaged) { accepted += parse(std::move(damaged)).ok(); };
  test::flip_bits(bytes, 50'000, attempt);
  test::boundary_numbers(bytes, attempt);
  EXPECT_GT(accepted, 0u);
}

TEST(Gguf, HostileFiles) {
  test::check_hostile_files("gguf/", 37,
                            [](const auto& path) { return GgufFile::open(path); });
}

// Whether the trits of a tensor can be read, if it has any.
bool trits_are_readable(const GgufFile& file, const GgufTensor& tensor) {
  std::vector<int8_t> trits(tensor.elements);
  if (tensor.type == kGgufI2S) {
    const auto reader = I2sTensor::open(file, tensor, I2sLayout::k128);
    return reader.ok() && reader->read_rows(0, reader->rows(), trits.data(), reader->cols()).ok();
  }
  if (const auto block = find_ternary_block(tensor)) {
    const auto reader = TernaryBlockTensor::open(file, tensor, *block);
    std::vector<float> scales(tensor.elements / ternary_block_info(*block).elements);
    return reader.ok() &&
           reader->read_rows(0, reader->rows(), trits.data(), reader->cols()).ok() &&
           reader->read_scales(0, reader->rows(), scales.data()).ok();
  }
  if (const auto kind = find_iq_bn(tensor)) {
    const auto reader = IqBnTensor::open(file, tensor, *kind);
    std::vector<float> scales(tensor.dims[1]);
    return reader.ok() &&
           reader->read_rows(0, reader->rows(), trits.data(), reader->cols()).ok() &&
           reader->read_scales(0, reader->rows(), scales.data()).ok();
  }
  return true;
}

// The seeds of gguf_fuzz say in their names what they are.
TEST(Gguf, OwnCorpus) {
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(test::corpus("gguf"))) {
    const auto file = GgufFile::open(entry.path());
    bool accepted = file.ok();
    for (size_t i = 0; accepted && i < file->tensors().size(); ++i) {
      accepted = trits_are_readable(*file, file->tensors()[i]);
    }
    const std::string name = entry.path().filename();
    EXPECT_EQ(accepted, name.starts_with("ok_")) << name << ": " << file.status().message();
    ++files;
  }
  EXPECT_GE(files, 60u);
}

// Real vocabulary files, and stubs that other projects test with: no verdict, but no crash.
TEST(Gguf, OtherProjectsFiles) {
  int files = 0;
  for (const char* folder : {"hostile/bitnet-rs", "tokenizer/llama-cpp-vocabs"}) {
    if (!std::filesystem::exists(test::test_data() / folder)) {
      std::cerr << "SKIPPED: no " << folder << "; set ROTOR_TEST_DATA\n";
      GTEST_SKIP() << "no " << folder;
    }
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(test::test_data() / folder)) {
      if (entry.path().extension() != ".gguf") {
        continue;
      }
      const auto file = GgufFile::open(entry.path());
      const bool is_real = std::string_view(folder).starts_with("tokenizer");
      EXPECT_TRUE(file.ok() || !is_real) << file.status().message();
      ++files;
    }
  }
  EXPECT_GE(files, 18);
}

}  // namespace
}  // namespace rotor
