// SPDX-License-Identifier: Apache-2.0
// The table of tensor types: sizes that are published, ids with two meanings, ids of nobody.
#include "io/gguf_types.h"

#include <gtest/gtest.h>

namespace rotor {
namespace {

TEST(GgufTypes, BytesOfPublishedShapes) {
  const auto bytes = [](uint32_t id, uint64_t elements) {
    return gguf_type_bytes(*gguf_type_info(id), elements);
  };
  EXPECT_EQ(bytes(kGgufF32, 3), 12u);
  EXPECT_EQ(bytes(kGgufBF16, 3), 6u);
  EXPECT_EQ(bytes(kGgufQ8_0, 2560), 2720u);
  EXPECT_EQ(bytes(kGgufQ6K, 2560), 2100u);
  EXPECT_EQ(bytes(kGgufQ4_0, 2560), 1440u);
  EXPECT_EQ(bytes(kGgufQ4K, 2560), 1440u);
  EXPECT_EQ(bytes(34, 512), 108u);  // TQ1_0
  EXPECT_EQ(bytes(35, 512), 132u);  // TQ2_0
  EXPECT_EQ(bytes(kGgufQ8_0, 33), std::nullopt);
  EXPECT_EQ(bytes(kGgufI2S, 128), std::nullopt);
  EXPECT_EQ(bytes(kGgufF32, UINT64_MAX), std::nullopt);
}

TEST(GgufTypes, NamesAndUnknownIds) {
  EXPECT_EQ(gguf_type_name(kGgufI2S), "I2_S");
  EXPECT_EQ(gguf_type_name(kGgufTL2), "MXFP4 or TL2");
  EXPECT_EQ(gguf_type_name(77), "type 77");
  for (const uint32_t id : {4u, 5u, 48u, 133u, 255u, 0xffffffffu}) {
    EXPECT_EQ(gguf_type_info(id), nullptr) << id;
  }
  for (const uint32_t id : {0u, 36u, 42u, 135u, 142u, 335u}) {
    ASSERT_NE(gguf_type_info(id), nullptr) << id;
    EXPECT_EQ(gguf_type_info(id)->id, id);
  }
}

}  // namespace
}  // namespace rotor
