// SPDX-License-Identifier: Apache-2.0
// Alignment, zero fill, moves, and refusals.
#include "base/buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>

namespace rotor {
namespace {

TEST(Buffer, AlignedAndZeroFilled) {
  for (size_t size : {size_t{0}, size_t{1}, size_t{64}, size_t{4097}, size_t{3} << 20}) {
    Result<Buffer> buffer = Buffer::allocate(size);
    ASSERT_TRUE(buffer.ok());
    EXPECT_EQ(buffer->size(), size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->data()) % 64, 0u);
    const std::span<uint8_t> bytes = buffer->as<uint8_t>();
    EXPECT_TRUE(std::all_of(bytes.begin(), bytes.end(), [](uint8_t b) { return b == 0; }));
    std::fill(bytes.begin(), bytes.end(), uint8_t{1});
  }
}

TEST(Buffer, MovesLeaveTheSourceEmpty) {
  Buffer a = *Buffer::allocate(100);
  std::byte* data = a.data();
  Buffer b = std::move(a);
  EXPECT_EQ(b.data(), data);
  EXPECT_EQ(a.size(), 0u);  // NOLINT(bugprone-use-after-move): the state after a move is the point
  a = std::move(b);
  EXPECT_EQ(a.data(), data);
  EXPECT_EQ(a.size(), 100u);
}

TEST(Buffer, AsDropsThePartialElement) {
  Buffer buffer = *Buffer::allocate(11);
  EXPECT_EQ(buffer.as<uint32_t>().size(), 2u);
}

TEST(Buffer, RefusesWhatDoesNotFit) {
  for (size_t size : {std::numeric_limits<size_t>::max(), std::numeric_limits<size_t>::max() / 2}) {
    Result<Buffer> buffer = Buffer::allocate(size);
    ASSERT_FALSE(buffer.ok());
    EXPECT_EQ(buffer.status().code(), Code::kOutOfMemory);
    EXPECT_NE(buffer.status().message().find(std::to_string(size)), std::string::npos);
  }
}

}  // namespace
}  // namespace rotor
