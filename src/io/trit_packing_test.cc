// SPDX-License-Identifier: Apache-2.0
// What is packed are the bytes that the description of each layout asks for.
#include "io/trit_packing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/half.h"
#include "io/test_tensors.h"

namespace rotor {
namespace {

constexpr TernaryBlock kAll[] = {TernaryBlock::kTQ1_0,    TernaryBlock::kTQ2_0,
                                 TernaryBlock::kQ1_0,     TernaryBlock::kQ2_0_64,
                                 TernaryBlock::kQ2_0_128, TernaryBlock::kPQ2_0,
                                 TernaryBlock::kPTQ1_0};

std::string text_of(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

TEST(TritPacking, BlocksAreAsDescribed) {
  for (const TernaryBlock block : kAll) {
    const TernaryBlockInfo& info = ternary_block_info(block);
    constexpr size_t kBlocks = 9;
    std::vector<int8_t> trits = test::random_trits(kBlocks * info.elements);
    std::fill_n(trits.begin(), info.elements, int8_t{1});  // every number of digits is 242
    std::fill_n(trits.begin() + info.elements, info.elements, int8_t{-1});
    if (block == TernaryBlock::kQ1_0) {
      std::replace(trits.begin(), trits.end(), int8_t{0}, int8_t{1});
    }
    std::vector<float> scales(kBlocks);
    std::vector<uint16_t> halves(kBlocks);
    for (size_t i = 0; i < kBlocks; ++i) {
      scales[i] = 0.125f * static_cast<float>(i);
      halves[i] = float_to_f16(scales[i]);
    }
    std::vector<uint8_t> packed(kBlocks * info.bytes, 0xa5);
    pack_ternary_blocks(block, trits.data(), halves.data(), kBlocks, packed.data());
    EXPECT_EQ(text_of(packed), test::block_bytes(block, trits, scales)) << info.name;
  }
}

TEST(TritPacking, I2sIsAsDescribed) {
  const std::vector<int8_t> trits = test::random_trits(5 * kI2sBlock);
  std::vector<uint8_t> packed(trits.size() / 4, 0xa5);
  pack_i2s(trits.data(), trits.size(), packed.data());
  const std::string expected = test::i2s_bytes(trits, kI2sBlock, I2sLayout::k128, 1.0f);
  EXPECT_EQ(text_of(packed), expected.substr(0, packed.size()));
  EXPECT_EQ(expected.size(), packed.size() + kI2sTail);
}

TEST(TritPacking, HuggingFaceRowsAreAsDescribed) {
  constexpr size_t kCols = 7;
  for (size_t rows = 1; rows <= 13; ++rows) {
    const std::vector<int8_t> trits = test::random_trits(rows * kCols);
    std::vector<uint8_t> packed((rows + 3) / 4 * kCols);
    for (size_t row = 0; row < rows; ++row) {
      pack_hf_row(trits.data() + row * kCols, row, rows, kCols, packed.data());
    }
    EXPECT_EQ(text_of(packed), test::hf_packed_bytes(trits, kCols)) << rows;
  }
}

}  // namespace
}  // namespace rotor
