// SPDX-License-Identifier: Apache-2.0
#include "trace_files.h"

#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "npy.h"

namespace rotor::cli {
namespace {

std::string name_of(size_t layer, std::string_view part, const char* kind) {
  return "layer" + std::to_string(layer) + "." + std::string(part) + "." + kind;
}

}  // namespace

template <typename T>
void TraceFiles::collect(const std::string& name, const char* descr, size_t rows, size_t cols,
                         const T* data, size_t stride) {
  Array& array = arrays_[name];
  array.descr = descr;
  array.cols = cols;
  array.bytes.resize(tokens_ * cols * sizeof(T));
  for (size_t r = 0; r < rows; ++r) {
    std::memcpy(array.bytes.data() + (first_token_ + r) * cols * sizeof(T), data + r * stride,
                cols * sizeof(T));
  }
}

Status TraceFiles::inject(const std::string& name, size_t rows, size_t cols, int8_t* q,
                          size_t stride, float* scale) {
  const std::string base = inject_folder_ + "/" + name;
  ROTOR_ASSIGN(const NpyArray codes, read_npy(base + ".q.npy", "|i1", 1));
  ROTOR_ASSIGN(const NpyArray scales, read_npy(base + ".scale.npy", "<f4", 4));
  if (codes.shape != std::vector<size_t>{tokens_, cols} || scales.bytes.size() != tokens_ * 4) {
    return format_error(base + ".q.npy: expected shape (" + std::to_string(tokens_) + ", " +
                        std::to_string(cols) + ") and as many scales as tokens");
  }
  for (size_t r = 0; r < rows; ++r) {
    std::memcpy(q + r * stride, codes.bytes.data() + (first_token_ + r) * cols, cols);
  }
  std::memcpy(scale, scales.bytes.data() + first_token_ * 4, rows * 4);
  return {};
}

void TraceFiles::quantized(size_t layer, LinearInput input, size_t rows, size_t cols, int8_t* q,
                           size_t stride, float* scale) {
  const std::string_view part = linear_input_name(input);
  if (!inject_folder_.empty() && status_.ok()) {
    status_ = inject("layer" + std::to_string(layer) + "." + std::string(part), rows, cols, q,
                     stride, scale);
  }
  if (!write_folder_.empty()) {
    collect(name_of(layer, part, "q"), "|i1", rows, cols, q, stride);
    collect(name_of(layer, part, "scale"), "<f4", rows, 1, scale, 1);
  }
}

void TraceFiles::accumulated(size_t layer, LinearRole role, size_t rows, size_t cols,
                             const int32_t* acc, size_t stride) {
  if (!write_folder_.empty()) {
    collect(name_of(layer, linear_role_name(role), "acc"), "<i4", rows, cols, acc, stride);
  }
}

Status TraceFiles::finish() {
  ROTOR_TRY(status_);
  if (write_folder_.empty()) {
    return {};
  }
  std::error_code error;
  std::filesystem::create_directories(write_folder_, error);
  for (const auto& [name, array] : arrays_) {
    const bool vector = name.ends_with(".scale");
    const std::string path = write_folder_ + "/" + name + ".npy";
    ROTOR_TRY(check_output(model_, path));
    ROTOR_ASSIGN(NpyWriter writer,
                 NpyWriter::create(path, array.descr,
                                   vector ? std::vector<size_t>{tokens_}
                                          : std::vector<size_t>{tokens_, array.cols}));
    ROTOR_TRY(writer.write(std::as_bytes(std::span(array.bytes))));
    ROTOR_TRY(writer.commit());
  }
  return {};
}

}  // namespace rotor::cli
