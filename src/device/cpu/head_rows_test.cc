// SPDX-License-Identifier: Apache-2.0
// Products with rows of every element type are the same bits from memory and from a file, however
// many rows are taken together.
#include "device/cpu/head_rows.h"

#include <gtest/gtest.h>

#include "model/loader.h"
#include "model/test_model.h"

namespace rotor {
namespace {

ModelConfig config_of() {
  ModelConfig config = test_config();
  config.hidden = 256;  // whole blocks of every type
  return config;
}

std::vector<float> products(const FloatMatrix& head, const std::vector<float>& x, size_t at_once,
                            size_t begin, size_t end) {
  const KernelTable& kernels = kernel_table(IsaLevel::kScalar);
  const HeadRows rows(head, kernels, at_once);
  Buffer scratch = std::move(*Buffer::allocate(rows.scratch_bytes()));
  const size_t count = end - begin;
  std::vector<float> out(2 * count);
  DotRowsArgs args{};
  args.x = x.data();
  args.x_stride = head.cols;
  args.batch = 2;
  args.out = out.data();
  args.out_stride = count;
  const Status status = rows.dot(begin, end, args, scratch.data());
  EXPECT_TRUE(status.ok()) << status.message();
  return out;
}

TEST(HeadRows, MemoryAndFileGiveTheSameBits) {
  ThreadPool pool(1);
  for (const FloatType type : {FloatType::kF32, FloatType::kF16, FloatType::kBf16,
                               FloatType::kQ8_0, FloatType::kQ6K, FloatType::kQ4_0,
                               FloatType::kQ4K}) {
    const auto load = [&](HeadMode mode) {
      LoadOptions options;
      options.head = mode;
      return *load_model(test_source(config_of(), {.embed = type}), options, pool);
    };
    const auto in_memory = load(HeadMode::kFull);
    const auto in_file = load(HeadMode::kTwoStage);
    const FloatMatrix& memory = in_memory->weights.head_matrix();
    const FloatMatrix& file = in_file->weights.head_matrix();
    ASSERT_TRUE(memory.in_memory() && !file.in_memory());
    std::vector<float> x(2 * memory.cols);
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = 0.25f - static_cast<float>(i % 13) / 8.0f;
    }
    const std::vector<float> expected = products(memory, x, 1, 0, memory.rows);
    for (const size_t at_once : {size_t{1}, size_t{7}, size_t{16}, size_t{1000}}) {
      EXPECT_EQ(products(file, x, at_once, 0, file.rows), expected) << int(type) << ", " << at_once;
    }
    const std::vector<float> part = products(file, x, 4, 5, 16);
    for (size_t r = 5; r < 16; ++r) {
      EXPECT_EQ(part[r - 5], expected[r]);
      EXPECT_EQ(part[11 + r - 5], expected[memory.rows + r]);
    }
  }
}

}  // namespace
}  // namespace rotor
