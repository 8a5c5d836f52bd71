// SPDX-License-Identifier: Apache-2.0
// Fuzz target: any bytes as a GGUF file; what is accepted is read in every way there is.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/gguf.h"
#include "io/i2s.h"
#include "io/iq_bn.h"
#include "io/quant_blocks.h"
#include "io/ternary_blocks.h"

namespace {

using namespace rotor;

void look_up(const GgufFile& file) {
  for (const GgufEntry& entry : file.metadata()) {
    (void)file.integer(entry.key);
    (void)file.number(entry.key);
    (void)file.boolean(entry.key);
    (void)file.string(entry.key);
    (void)file.integers(entry.key);
    (void)file.floats(entry.key);
    const auto strings = file.strings(entry.key);
    if (strings.ok()) {
      size_t bytes = 0;
      for (size_t i = 0; i < (*strings)->size(); ++i) {
        bytes += (**strings)[i].size();
      }
      if (bytes > file.file().size()) {
        __builtin_trap();
      }
    }
  }
}

void read_trits(const GgufFile& file, const GgufTensor& tensor) {
  for (const I2sLayout layout : {I2sLayout::k128, I2sLayout::k64, I2sLayout::k1x4}) {
    const auto reader = I2sTensor::open(file, tensor, layout);
    if (!reader.ok()) {
      continue;
    }
    std::vector<int8_t> trits(reader->rows() * reader->cols());
    (void)reader->read_rows(0, reader->rows(), trits.data(), reader->cols());
    (void)reader->read_rows(reader->rows() / 2, reader->rows(), trits.data(), reader->cols());
  }
}

void read_blocks(const GgufFile& file, const GgufTensor& tensor) {
  const auto block = find_ternary_block(tensor);
  if (!block) {
    return;
  }
  const auto reader = TernaryBlockTensor::open(file, tensor, *block);
  if (!reader.ok()) {
    return;
  }
  std::vector<int8_t> trits(tensor.elements);
  std::vector<float> scales(tensor.elements / reader->info().elements);
  (void)reader->read_rows(0, reader->rows(), trits.data(), reader->cols());
  (void)reader->read_scales(0, reader->rows(), scales.data());
}

void read_iq_bn(const GgufFile& file, const GgufTensor& tensor) {
  const auto kind = find_iq_bn(tensor);
  if (!kind) {
    return;
  }
  const auto reader = IqBnTensor::open(file, tensor, *kind);
  if (!reader.ok()) {
    return;
  }
  std::vector<int8_t> trits(tensor.elements);
  std::vector<float> scales(reader->rows());
  (void)reader->read_rows(reader->rows() / 3, reader->rows(), trits.data(), reader->cols());
  (void)reader->read_scales(0, reader->rows(), scales.data());
}

// The first row of an embedding.
void read_row(const GgufFile& file, const GgufTensor& tensor) {
  const size_t cols = tensor.dims[0];
  const auto bytes = gguf_type_bytes(*gguf_type_info(tensor.type), cols);
  if (!bytes) {
    return;
  }
  std::vector<std::byte> row(*bytes);
  if (!file.read(tensor, 0, row).ok()) {
    __builtin_trap();
  }
  std::vector<float> values(cols);
  switch (tensor.type) {
    case kGgufF16:
      return decode_f16_row(row.data(), cols, values.data());
    case kGgufBF16:
      return decode_bf16_row(row.data(), cols, values.data());
    case kGgufQ8_0:
      return decode_q8_0_row(row.data(), cols, values.data());
    case kGgufQ6K:
      return decode_q6_k_row(row.data(), cols, values.data());
    case kGgufQ4_0:
      return decode_q4_0_row(row.data(), cols, values.data());
    case kGgufQ4K:
      return decode_q4_k_row(row.data(), cols, values.data());
    default:
      return;
  }
}

// The input as parts of a split model, each from one magic to the next.
void join_parts(std::string_view bytes) {
  constexpr std::string_view kMagic = "GGUF";
  std::vector<GgufFile> parts;
  for (size_t begin = 0; begin < bytes.size() && parts.size() < 8;) {
    const size_t end = std::min(bytes.find(kMagic, begin + 1), bytes.size());
    auto part = GgufFile::parse(File::from_memory(std::string(bytes.substr(begin, end - begin)), "part"));
    if (!part.ok()) {
      return;
    }
    parts.push_back(*std::move(part));
    begin = end;
  }
  if (parts.size() < 2) {
    return;
  }
  const auto all = GgufFile::join(std::move(parts));
  if (!all.ok()) {
    return;
  }
  for (const GgufTensor& tensor : all->tensors()) {
    if (all->find_tensor(tensor.name) != &tensor ||
        tensor.offset + tensor.span > all->file_of(tensor).size()) {
      __builtin_trap();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  join_parts({reinterpret_cast<const char*>(data), size});
  const auto file = GgufFile::parse(
      File::from_memory(std::string(reinterpret_cast<const char*>(data), size), "input"));
  if (!file.ok()) {
    return 0;
  }
  look_up(*file);
  for (const GgufTensor& tensor : file->tensors()) {
    if (file->find_tensor(tensor.name) != &tensor || tensor.offset + tensor.span > size) {
      __builtin_trap();
    }
    read_trits(*file, tensor);
    read_blocks(*file, tensor);
    read_iq_bn(*file, tensor);
    read_row(*file, tensor);
  }
  return 0;
}
