// SPDX-License-Identifier: Apache-2.0
// Models in several GGUF files: opened by any of them, and every way in which they do not fit
// together.
#include "io/gguf_split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "base/test_folder.h"
#include "io/test_bytes.h"

namespace rotor {
namespace {

using test::GgufBytes;
using testing::AllOf;
using testing::HasSubstr;

void put_numbers(GgufBytes& part, uint16_t number, uint16_t count, int32_t tensors) {
  part.add<uint16_t>("split.no", 2, number);
  part.add<uint16_t>("split.count", 2, count);
  part.add<int32_t>("split.tensors.count", 5, tensors);
}

// Part i of three: the metadata and no tensor, two tensors, one in a part with an alignment of its
// own.
GgufBytes part(size_t i) {
  GgufBytes bytes;
  if (i == 0) {
    bytes.add("general.architecture", "bitnet");
    bytes.add("general.name", "tiny");
  }
  put_numbers(bytes, static_cast<uint16_t>(i), 3, 3);
  if (i == 1) {
    bytes.add_tensor("b", {4}, kGgufF32, std::string(16, 'b'));
    bytes.add_tensor("a", {2}, kGgufF32, std::string(8, 'a'));
  }
  if (i == 2) {
    bytes.add<uint32_t>("general.alignment", 4, 64);
    bytes.alignment = 64;
    bytes.add_tensor("c", {32}, kGgufF32, std::string(128, 'c'));
  }
  return bytes;
}

struct Parts {
  std::map<std::string, std::string> files;
  Parts() {
    for (size_t i = 0; i < 3; ++i) {
      files[name(i)] = part(i).bytes();
    }
  }
  static std::string name(size_t i) { return "m-0000" + std::to_string(i + 1) + "-of-00003.gguf"; }
  // What opening the model by part `by` says.
  std::string open(size_t by = 0) const {
    const test::TestFolder folder;
    for (const auto& [name, content] : files) {
      folder.put(name, content);
    }
    const auto file = GgufFile::open(folder.path(name(by)));
    if (!file.ok()) {
      EXPECT_EQ(file.status().code(), Code::kFormatError) << file.status().message();
    }
    return file.ok() ? "accepted" : file.status().message();
  }
};

TEST(GgufSplit, AnyPartOpensTheWholeModel) {
  const Parts parts;
  const test::TestFolder folder;
  for (const auto& [name, content] : parts.files) {
    folder.put(name, content);
  }
  for (size_t by = 0; by < 3; ++by) {
    const auto file = GgufFile::open(folder.path(Parts::name(by)));
    ASSERT_TRUE(file.ok()) << file.status().message();
    EXPECT_EQ(file->parts(), 3u);
    EXPECT_EQ(file->file().path(), folder.path(Parts::name(0)));
    EXPECT_EQ(**file->string("general.name"), "tiny");
    ASSERT_EQ(file->tensors().size(), 3u);
    for (const auto& [name, in_part, alignment] :
         {std::tuple("a", 1, 32u), std::tuple("b", 1, 32u), std::tuple("c", 2, 64u)}) {
      const GgufTensor* const tensor = file->find_tensor(name);
      ASSERT_NE(tensor, nullptr);
      EXPECT_EQ(tensor->alignment, alignment);
      EXPECT_EQ(file->file_of(*tensor).path(), folder.path(Parts::name(size_t(in_part))));
      std::string content(8, '\0');
      ASSERT_TRUE(file->read(*tensor, 0, std::as_writable_bytes(std::span(content))).ok());
      EXPECT_EQ(content, std::string(8, name[0]));
    }
  }
}

TEST(GgufSplit, MissingPartsAreNamed) {
  for (size_t gone = 0; gone < 3; ++gone) {
    Parts parts;
    parts.files.erase(Parts::name(gone));
    EXPECT_THAT(parts.open(gone == 0 ? 2 : 0),
                AllOf(HasSubstr(Parts::name(gone)), HasSubstr("of 3 of the model is missing")));
  }
}

TEST(GgufSplit, AnotherNumberThanTheNameSays) {
  Parts parts;
  std::swap(parts.files[Parts::name(1)], parts.files[Parts::name(2)]);
  EXPECT_THAT(parts.open(), AllOf(HasSubstr(Parts::name(1)), HasSubstr("expected part 2 of 3")));
  EXPECT_THAT(parts.open(1), AllOf(HasSubstr(Parts::name(1)), HasSubstr("holds part 3 of 3")));
  const test::TestFolder folder;
  EXPECT_THAT(GgufFile::open(folder.put("renamed.gguf", part(0).bytes())).status().message(),
              AllOf(HasSubstr("renamed.gguf"), HasSubstr("-00001-of-00003.gguf")));
}

TEST(GgufSplit, PartsOfOtherModelsAreNamed) {
  const auto with = [](size_t i, const std::function<void(GgufBytes&)>& build) {
    Parts parts;
    GgufBytes bytes;
    build(bytes);
    parts.files[Parts::name(i)] = bytes.bytes();
    return parts.open();
  };
  // Another model's name, another count of parts, of tensors; no part at all.
  EXPECT_THAT(with(1,
                   [](GgufBytes& b) {
                     b.add("general.name", "other");
                     put_numbers(b, 1, 3, 3);
                   }),
              AllOf(HasSubstr(Parts::name(1)), HasSubstr("general.name is another")));
  EXPECT_THAT(with(1, [](GgufBytes& b) { put_numbers(b, 1, 4, 3); }),
              AllOf(HasSubstr(Parts::name(1)), HasSubstr("found part 2 of 4")));
  EXPECT_THAT(with(1, [](GgufBytes& b) { put_numbers(b, 1, 3, 9); }),
              AllOf(HasSubstr(Parts::name(1)), HasSubstr("split.tensors.count is another")));
  EXPECT_THAT(with(2, [](GgufBytes& b) { b.add("general.name", "tiny"); }),
              AllOf(HasSubstr(Parts::name(2)), HasSubstr("lacks the key split.no")));
  EXPECT_THAT(with(2, [](GgufBytes& b) { put_numbers(b, 2, 3, 3); }),
              HasSubstr("split.tensors.count is 3, but the 3 parts have 2 tensors"));
  EXPECT_THAT(with(2,
                   [](GgufBytes& b) {
                     put_numbers(b, 2, 3, 3);
                     b.add_tensor("a", {1}, kGgufF32, std::string(4, '\0'));
                   }),
              AllOf(HasSubstr(Parts::name(2)), HasSubstr("the name occurs twice, also in")));
}

TEST(GgufSplit, NumbersThatAreNoneAreRefused) {
  for (const auto& [number, count] : {std::pair<uint16_t, uint16_t>(3, 3), {9, 2}, {65'535, 65'535}}) {
    GgufBytes bytes;
    put_numbers(bytes, number, count, 0);
    const test::TestFolder folder;
    EXPECT_THAT(GgufFile::open(folder.put("m.gguf", bytes.bytes())).status().message(),
                HasSubstr("split.no is " + std::to_string(number)));
  }
  GgufBytes alone;  // one part of one is a model like any other, whatever its name
  put_numbers(alone, 0, 1, 0);
  const test::TestFolder folder;
  EXPECT_TRUE(GgufFile::open(folder.put("m.gguf", alone.bytes())).ok());
}

TEST(GgufSplit, AnyPartCutAnywhereIsRefusedByItsName) {
  for (size_t i = 0; i < 3; ++i) {
    const std::string whole = part(i).bytes();
    for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
      Parts parts;
      parts.files[Parts::name(i)] = whole.substr(0, bytes);
      EXPECT_THAT(parts.open(), HasSubstr(Parts::name(i))) << bytes;
    }
  }
}

TEST(GgufSplit, NamesOfParts) {
  EXPECT_EQ(gguf_part_path("d/x-00002-of-00012.gguf", 0), "d/x-00001-of-00012.gguf");
  EXPECT_EQ(gguf_part_path("d/x-00002-of-00012.gguf", 11), "d/x-00012-of-00012.gguf");
  for (const char* const name : {"x.gguf", "", "-0000a-of-00012.gguf", "x-00001-of-00012.ggu",
                                 "x_00001-of-00012.gguf"}) {
    EXPECT_EQ(gguf_part_path(name, 0), std::nullopt) << name;
  }
}

}  // namespace
}  // namespace rotor
