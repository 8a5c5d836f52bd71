// SPDX-License-Identifier: Apache-2.0
// Fuzz target: any bytes as a safetensors file; matrices of bytes are read as packed trits.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "io/hf_packed.h"
#include "io/safetensors.h"

using namespace rotor;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = SafetensorsFile::parse(
      File::from_memory(std::string(reinterpret_cast<const char*>(data), size), "input"));
  if (!file.ok()) {
    return 0;
  }
  for (const SafetensorsTensor& tensor : file->tensors()) {
    if (file->find(tensor.name) != &tensor || tensor.offset + tensor.bytes > size) {
      __builtin_trap();
    }
    std::vector<std::byte> content(tensor.bytes);
    if (!file->read(tensor, 0, content).ok() || file->read(tensor, size, content).ok()) {
      __builtin_trap();
    }
    if (tensor.dtype != DType::kU8 || tensor.shape.size() != 2 || tensor.bytes == 0) {
      continue;
    }
    for (uint64_t missing = 0; missing < 4; ++missing) {  // rows of the last quarter
      const uint64_t rows = tensor.shape[0] * 4 - missing;
      const uint64_t cols = tensor.shape[1];
      const auto reader = HfPackedTensor::open(*file, tensor, rows, cols);
      if (!reader.ok()) {
        __builtin_trap();
      }
      std::vector<int8_t> trits(rows * cols);
      (void)reader->read_rows(0, rows, trits.data(), cols);
    }
  }
  return 0;
}
