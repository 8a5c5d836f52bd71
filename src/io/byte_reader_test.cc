// SPDX-License-Identifier: Apache-2.0
// ByteReader across the borders of its window and at the end of a file; checked arithmetic;
// quoting.
#include "io/byte_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rotor {
namespace {

using testing::HasSubstr;

// Byte i of the file is pattern(i).
char pattern(uint64_t i) { return static_cast<char>(i * 31 + (i >> 8)); }

File file_of(size_t size) {
  std::string content(size, '\0');
  for (size_t i = 0; i < size; ++i) {
    content[i] = pattern(i);
  }
  return File::from_memory(std::move(content), "f");
}

TEST(ByteReader, FieldsAcrossWindows) {
  const File file = file_of(400'000);
  // Small, about a window, and larger than one, so that every way of filling is taken.
  for (const size_t step : {1u, 7u, 1000u, 65'535u, 65'536u, 65'537u, 130'000u}) {
    ByteReader reader(file, file.size());
    while (reader.remaining() >= step + sizeof(uint16_t)) {
      const uint64_t at = reader.offset();
      std::string text;
      ASSERT_TRUE(reader.append("text", step, step, text).ok());
      for (size_t i = 0; i < step; i += 997) {
        ASSERT_EQ(text[i], pattern(at + i)) << step;
      }
      const auto number = reader.number<uint16_t>("number");
      ASSERT_TRUE(number.ok());
      ASSERT_EQ(static_cast<char>(*number & 255), pattern(at + step));
      ASSERT_EQ(static_cast<char>(*number >> 8), pattern(at + step + 1));
    }
  }
}

TEST(ByteReader, EndsAndLimits) {
  const File file = file_of(10);
  ByteReader reader(file, 100);
  ASSERT_TRUE(reader.number<uint64_t>("n").ok());
  EXPECT_EQ(reader.number<uint32_t>("count").status().message(),
            "f: count at offset 8: needs 4 bytes, but the file ends at 10");
  std::string text;
  EXPECT_THAT(reader.append("name", 3, 5, text).message(), HasSubstr("name at offset 8: needs 3"));
  EXPECT_THAT(reader.append("name", 6, 5, text).message(), HasSubstr("the limit is 5"));
  EXPECT_TRUE(text.empty());
  EXPECT_TRUE(reader.expect("items", 2, 1).ok());
  EXPECT_FALSE(reader.expect("items", 3, 1).ok());
  EXPECT_FALSE(reader.expect("items", UINT64_MAX, 8).ok());
  EXPECT_TRUE(reader.append("name", 2, 5, text).ok());
  EXPECT_EQ(reader.remaining(), 0u);
  ByteReader limited(file, 4);
  EXPECT_THAT(limited.number<uint64_t>("n").status().message(),
              HasSubstr("a header may have at most 4"));
}

}  // namespace
}  // namespace rotor
