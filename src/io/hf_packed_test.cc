// SPDX-License-Identifier: Apache-2.0
// HfPackedTensor against a packer written here from the description of the layout, for row counts
// that are and are not multiples of 4.
#include "io/hf_packed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "io/test_bytes.h"

namespace rotor {
namespace {

using testing::HasSubstr;

SafetensorsFile file_of(uint64_t packed_rows, uint64_t cols, std::string_view content) {
  const std::string header = "{\"w\":{\"dtype\":\"U8\",\"shape\":[" + std::to_string(packed_rows) +
                             "," + std::to_string(cols) + "],\"data_offsets\":[0," +
                             std::to_string(content.size()) + "]}}";
  auto file = SafetensorsFile::parse(
      File::from_memory(test::safetensors_bytes(header, content), "t.safetensors"));
  EXPECT_TRUE(file.ok()) << file.status().message();
  return *std::move(file);
}

TEST(HfPacked, ReadsEveryRangeOfRows) {
  constexpr size_t kCols = 7;
  for (size_t rows = 1; rows <= 13; ++rows) {
    const size_t packed_rows = (rows + 3) / 4;
    std::mt19937 random(static_cast<unsigned>(rows));
    std::vector<int8_t> trits(rows * kCols);
    std::string content(packed_rows * kCols, '\0');
    for (size_t i = 0; i < trits.size(); ++i) {
      const unsigned code = random() % 3;
      trits[i] = static_cast<int8_t>(static_cast<int>(code) - 1);
      const size_t row = i / kCols;
      char& byte = content[row % packed_rows * kCols + i % kCols];
      byte =
          static_cast<char>(static_cast<unsigned char>(byte) | code << (2 * (row / packed_rows)));
    }
    const SafetensorsFile file = file_of(packed_rows, kCols, content);
    const auto tensor = HfPackedTensor::open(file, *file.find("w"), rows, kCols);
    ASSERT_TRUE(tensor.ok()) << tensor.status().message();
    for (size_t begin = 0; begin <= rows; ++begin) {
      for (size_t end = begin; end <= rows; ++end) {
        std::vector<int8_t> out((end - begin) * kCols);
        ASSERT_TRUE(tensor->read_rows(begin, end, out.data(), kCols).ok());
        ASSERT_TRUE(std::equal(out.begin(), out.end(), trits.begin() + begin * kCols))
            << rows << " rows, " << begin << ".." << end;
      }
    }
  }
}

TEST(HfPacked, NamesTheByteOfCode3) {
  std::string content(8 * 5, '\x55');
  content[3 * 5 + 2] = '\x5d';
  const SafetensorsFile file = file_of(8, 5, content);
  const auto tensor = HfPackedTensor::open(file, *file.find("w"), 32, 5);
  ASSERT_TRUE(tensor.ok());
  std::vector<int8_t> out(32 * 5);
  EXPECT_TRUE(tensor->read_rows(0, 3, out.data(), 5).ok());
  EXPECT_THAT(tensor->read_rows(0, 32, out.data(), 5).message(),
              HasSubstr("tensor \"w\": byte 0x5d at offset " +
                        std::to_string(file.find("w")->offset + 17)));
}

TEST(HfPacked, RefusesOtherShapes) {
  const SafetensorsFile file = file_of(8, 5, std::string(40, '\x55'));
  const SafetensorsTensor& tensor = *file.find("w");
  EXPECT_TRUE(HfPackedTensor::open(file, tensor, 29, 5).ok());
  EXPECT_THAT(HfPackedTensor::open(file, tensor, 28, 5).status().message(),
              HasSubstr("U8 of shape [7, 5], found U8 of shape [8, 5]"));
  EXPECT_FALSE(HfPackedTensor::open(file, tensor, 33, 5).ok());
  EXPECT_FALSE(HfPackedTensor::open(file, tensor, 32, 4).ok());
  EXPECT_FALSE(HfPackedTensor::open(file, tensor, 0, 5).ok());
  EXPECT_FALSE(HfPackedTensor::open(file, tensor, UINT64_MAX, 5).ok());
}

}  // namespace
}  // namespace rotor
