// SPDX-License-Identifier: Apache-2.0
// HfPackedTensor against a plain packer, for row counts that are and are not multiples of 4.
#include "io/hf_packed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/test_tensors.h"

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
    const std::vector<int8_t> trits = test::random_trits(rows * kCols, static_cast<uint32_t>(rows));
    const SafetensorsFile file =
        file_of((rows + 3) / 4, kCols, test::hf_packed_bytes(trits, kCols));
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
