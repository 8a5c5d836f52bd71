// SPDX-License-Identifier: Apache-2.0
// Readers of every packed layout against the plain trits they were packed from: each run of row
// blocks, as trits and packed again, with rows and columns that fill no tile.
#include "model/trit_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/test_model.h"
#include "model/test_packed_trits.h"

namespace rotor {
namespace {

using testing::HasSubstr;

void expect_run(const TritReader& reader, size_t begin, size_t end,
                const std::vector<int8_t>& padded) {
  const size_t block = kTileRows * reader.cols();
  const std::vector<int8_t> expected(padded.begin() + begin * block, padded.begin() + end * block);
  std::vector<int8_t> trits(expected.size(), 9);
  ASSERT_TRUE(reader.read(begin, end, trits.data()).ok());
  EXPECT_EQ(trits, expected);
  for (size_t f = 0; f < kTernaryFormats; ++f) {
    const TernaryFormat format = static_cast<TernaryFormat>(f);
    const size_t bytes = row_block_bytes(format, reader.cols());
    std::vector<uint8_t> packed((end - begin) * bytes, 0xa5);
    ASSERT_TRUE(reader.pack(begin, end, format, packed.data()).ok());
    std::vector<uint8_t> expected_packed(packed.size());
    for (size_t i = 0; i < end - begin; ++i) {
      format_info(format).pack_row_block(expected.data() + i * block, reader.cols(), reader.cols(),
                                         expected_packed.data() + i * bytes);
    }
    EXPECT_EQ(packed, expected_packed) << format_info(format).name;
  }
}

void expect_reads(const TritReader& reader, std::vector<int8_t> trits) {
  ASSERT_EQ(trits.size(), reader.rows() * reader.cols());
  const size_t blocks = row_blocks(reader.rows());
  trits.resize(blocks * kTileRows * reader.cols(), 0);
  for (size_t begin = 0; begin < blocks; ++begin) {
    for (size_t end = begin + 1; end <= blocks; ++end) {
      SCOPED_TRACE("row blocks " + std::to_string(begin) + ".." + std::to_string(end));
      expect_run(reader, begin, end, trits);
    }
  }
}

struct Shape {
  size_t rows;
  size_t cols;
};

// Sizes that the layout can hold: whole blocks of 128 or 64 codes, whole groups of 4 rows.
std::vector<Shape> shapes_of(I2sLayout layout) {
  switch (layout) {
    case I2sLayout::k128: return {{40, 80}, {128, 3}, {17, 128}};
    case I2sLayout::k64: return {{20, 48}, {64, 5}, {33, 64}};
    case I2sLayout::k1x4: return {{20, 33}, {4, 1}, {36, 31}};
  }
  return {};
}

TEST(TritReader, ReadsEveryLayoutOfI2s) {
  for (const I2sLayout layout : test::kI2sLayouts) {
    for (const Shape shape : shapes_of(layout)) {
      SCOPED_TRACE(std::string(i2s_layout_name(layout)) + ", " + std::to_string(shape.rows) +
                   " rows");
      const std::vector<int8_t> trits = test::random_trits(shape.rows * shape.cols);
      const std::string content = test::i2s_bytes(trits, shape.cols, layout, 1.0f);
      expect_reads(*test::i2s_reader(content, shape.rows, shape.cols, layout), trits);
    }
  }
}

TEST(TritReader, ReadsThePackedBytesOfHuggingFace) {
  for (const Shape shape : {Shape{37, 29}, Shape{16, 1}, Shape{1, 21}, Shape{48, 40}}) {
    SCOPED_TRACE(std::to_string(shape.rows) + " rows");
    const std::vector<int8_t> trits = test::random_trits(shape.rows * shape.cols);
    const std::string content = test::hf_packed_bytes(trits, shape.cols);
    expect_reads(*test::hf_packed_reader(content, shape.rows, shape.cols), trits);
  }
}

// Neither read() nor pack() of all 32 rows lets code 3 through.
void expect_refused(const TritReader& reader, size_t offset) {
  std::vector<int8_t> trits(reader.rows() * reader.cols());
  const Status status = reader.read(0, 2, trits.data());
  EXPECT_EQ(status.code(), Code::kFormatError);
  EXPECT_THAT(status.message(),
              HasSubstr("tensor \"w\": byte 0xff at offset " + std::to_string(offset)));
  std::vector<uint8_t> packed(packed_bytes(TernaryFormat::kI2, reader.rows(), reader.cols()));
  EXPECT_EQ(reader.pack(0, 2, TernaryFormat::kI2, packed.data()).message(), status.message());
}

TEST(TritReader, RefusesCode3ByTensorAndOffset) {
  constexpr size_t kCols = 64;
  const std::vector<int8_t> trits = test::random_trits(32 * kCols);
  for (const I2sLayout layout : test::kI2sLayouts) {
    std::string content = test::i2s_bytes(trits, kCols, layout, 1.0f);
    const size_t at = test::i2s_place(layout, trits.size() - 1, kCols).first;
    content[at] = '\xff';
    const auto reader = test::i2s_reader(content, 32, kCols, layout);
    expect_refused(*reader, test::i2s_file(content, 32, kCols).size() - content.size() + at);
    std::vector<int8_t> first(16 * kCols);
    EXPECT_TRUE(reader->read(0, 1, first.data()).ok());  // the damage is not in its rows
  }
}

TEST(TritReader, RefusesCode3OfHuggingFaceByTensorAndOffset) {
  std::string content = test::hf_packed_bytes(test::random_trits(32 * 5), 5);
  content.back() = '\xff';
  const auto reader = test::hf_packed_reader(content, 32, 5);
  expect_refused(*reader, test::hf_packed_file(content, 32, 5).size() - 1);
}

}  // namespace
}  // namespace rotor
