// SPDX-License-Identifier: Apache-2.0
// Which types of a GGUF file make a matrix, with which scales, and what is said of the others.
#include "model/gguf_linear.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/iq_bn.h"
#include "model/test_files.h"

namespace rotor {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr size_t kRows = 32;
constexpr size_t kCols = 256;

struct Tensor {
  uint32_t type;
  std::string content;
};

Result<LinearSource> open(const Tensor& tensor, std::optional<float> scale = {}) {
  test::GgufBytes bytes;
  bytes.add_tensor("a.weight", {kCols, kRows}, tensor.type, tensor.content);
  if (scale) {
    std::string content;
    test::put(content, *scale);
    bytes.add_tensor("a.scale", {1}, kGgufF32, content);
  }
  auto file = GgufFile::parse(File::from_memory(bytes.bytes(), "t.gguf"));
  EXPECT_TRUE(file.ok()) << file.status().message();
  const auto shared = std::make_shared<const GgufFile>(*std::move(file));
  return open_gguf_linear(shared, "a", *shared->find_tensor("a.weight"), I2sLayout::k128);
}

std::vector<int8_t> trits_of(const LinearSource& source) {
  std::vector<int8_t> trits(kRows * kCols);
  const Status status = source.trits->read(0, kRows / 16, trits.data());
  EXPECT_TRUE(status.ok()) << status.message();
  return trits;
}

TEST(GgufLinear, RowsWithScalesOfTheirOwn) {
  const std::vector<int8_t> trits = test::random_trits(kRows * kCols);
  const struct {
    IqBn kind;
    uint32_t type;
  } kinds[] = {
      {IqBn::kIQ1_BN, kGgufIQ1BN}, {IqBn::kIQ2_BN, kGgufIQ2BN}, {IqBn::kIQ2_BN_R4, kGgufIQ2BNR4}};
  for (const auto& [kind, type] : kinds) {
    std::vector<float> scales(kRows, 0.5f);
    const auto one = open({type, test::iq_bn_bytes(kind, trits, kCols, scales)}, 4.0f);
    ASSERT_TRUE(one.ok()) << one.status().message();
    EXPECT_EQ(one->scale.granularity, TernaryScale::Granularity::kTensor);
    EXPECT_EQ(one->scale.values, std::vector<float>{2.0f});
    EXPECT_EQ(one->layout, iq_bn_name(kind));
    EXPECT_EQ(trits_of(*one), trits);
    scales[7] = 0.75f;
    const auto rows = open({type, test::iq_bn_bytes(kind, trits, kCols, scales)});
    ASSERT_TRUE(rows.ok()) << rows.status().message();
    EXPECT_EQ(rows->scale.granularity, TernaryScale::Granularity::kRow);
    EXPECT_EQ(rows->scale.values, scales);
  }
}

TEST(GgufLinear, TypesThatDoNotDescribeThemselvesAreRefusedWithTheWayOut) {
  for (const uint32_t type : {38u, 39u}) {
    const Status status = open({type, std::string(kRows * kCols / 4 + 32, '\0')}).status();
    EXPECT_EQ(status.code(), Code::kUnsupported);
    EXPECT_THAT(status.message(), AllOf(HasSubstr("tensor 'a.weight'"), HasSubstr("TL"),
                                        HasSubstr("export the model again as I2_S")));
  }
  // vlut.cpp's types and TL2 of new builds: two bits or fewer a weight, no scale.
  for (uint32_t type = 40; type <= 47; ++type) {
    const Status status = open({type, std::string(kRows * kCols / 4, '\0')}).status();
    EXPECT_EQ(status.code(), Code::kUnsupported);
    EXPECT_THAT(status.message(),
                AllOf(HasSubstr("tensor 'a.weight'"), HasSubstr("vlut.cpp"),
                      HasSubstr("export the model again as I2_S or TQ2_0")))
        << type;
  }
}

TEST(GgufLinear, AScaleTensorHasOneValue) {
  const std::vector<int8_t> trits = test::random_trits(kRows * kCols);
  test::GgufBytes bytes;
  bytes.add_tensor("a.weight", {kCols, kRows}, kGgufI2S,
                   test::i2s_bytes(trits, kCols, I2sLayout::k128, 1.0f));
  bytes.add_tensor("a.scale", {2}, kGgufF32, std::string(8, '\0'));
  auto file = GgufFile::parse(File::from_memory(bytes.bytes(), "t.gguf"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  const auto shared = std::make_shared<const GgufFile>(*std::move(file));
  const auto source =
      open_gguf_linear(shared, "a", *shared->find_tensor("a.weight"), I2sLayout::k128);
  EXPECT_THAT(source.status().message(),
              AllOf(HasSubstr("tensor 'a.scale'"), HasSubstr("expected one value, got 2")));
}

}  // namespace
}  // namespace rotor
