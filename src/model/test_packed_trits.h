// SPDX-License-Identifier: Apache-2.0
// Readers of one matrix in every layout that files hold it in. The files lie in memory. Test code.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "io/hf_packed.h"
#include "io/i2s.h"
#include "io/test_tensors.h"
#include "model/trit_reader.h"

namespace rotor::test {

// Files that end with a tensor "w" of these bytes.
inline std::string i2s_file(const std::string& content, size_t rows, size_t cols) {
  GgufBytes file;
  file.add_tensor("w", {cols, rows}, kGgufI2S, content);
  return file.bytes();
}
inline std::string hf_packed_file(const std::string& content, size_t rows, size_t cols) {
  const std::string header = R"({"w":{"dtype":"U8","shape":[)" + std::to_string((rows + 3) / 4) +
                             "," + std::to_string(cols) + R"(],"data_offsets":[0,)" +
                             std::to_string(content.size()) + "]}}";
  return safetensors_bytes(header, content);
}

inline std::unique_ptr<TritReader> i2s_reader(const std::string& content, size_t rows, size_t cols,
                                              I2sLayout layout) {
  auto file = GgufFile::parse(File::from_memory(i2s_file(content, rows, cols), "t.gguf"));
  EXPECT_TRUE(file.ok()) << file.status().message();
  const auto shared = std::make_shared<const GgufFile>(*std::move(file));
  auto tensor = I2sTensor::open(*shared, *shared->find_tensor("w"), layout);
  EXPECT_TRUE(tensor.ok()) << tensor.status().message();
  return std::make_unique<TensorTrits<I2sTensor, GgufFile>>(*std::move(tensor), shared);
}

inline std::unique_ptr<TritReader> hf_packed_reader(const std::string& content, size_t rows,
                                                    size_t cols) {
  auto file = SafetensorsFile::parse(
      File::from_memory(hf_packed_file(content, rows, cols), "t.safetensors"));
  EXPECT_TRUE(file.ok()) << file.status().message();
  const auto shared = std::make_shared<const SafetensorsFile>(*std::move(file));
  auto tensor = HfPackedTensor::open(*shared, *shared->find("w"), rows, cols);
  EXPECT_TRUE(tensor.ok()) << tensor.status().message();
  return std::make_unique<TensorTrits<HfPackedTensor, SafetensorsFile>>(*std::move(tensor), shared);
}

inline constexpr I2sLayout kI2sLayouts[] = {I2sLayout::k128, I2sLayout::k64, I2sLayout::k1x4};

}  // namespace rotor::test
