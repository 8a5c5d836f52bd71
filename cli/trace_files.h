// SPDX-License-Identifier: Apache-2.0
// A TraceHook that writes what the decoder computes to a folder of .npy files, and replaces the
// quantised activations by those of another folder. Parity tests compare and inject with it.
//   layer{L}.{qkv|o|gate_up|down}.q.npy       int8 (tokens, cols)
//   layer{L}.{qkv|o|gate_up|down}.scale.npy   float32 (tokens)
//   layer{L}.{q|k|v|o|gate|up|down}.acc.npy   int32 (tokens, rows)
#pragma once

#include <rotor/status.h>

#include <map>
#include <string>

#include "model/trace.h"

namespace rotor::cli {

class TraceFiles final : public TraceHook {
 public:
  // Either folder may be empty (not used). The files of `inject` cover `tokens` tokens. No file of
  // `model` is replaced.
  TraceFiles(std::string model, std::string write_folder, std::string inject_folder, size_t tokens)
      : model_(std::move(model)),
        write_folder_(std::move(write_folder)),
        inject_folder_(std::move(inject_folder)),
        tokens_(tokens) {}

  // Index of the first token of the next forward().
  void set_first_token(size_t token) { first_token_ = token; }

  void quantized(size_t layer, LinearInput input, size_t rows, size_t cols, int8_t* q,
                 size_t stride, float* scale) override;
  void accumulated(size_t layer, LinearRole role, size_t rows, size_t cols, const int32_t* acc,
                   size_t stride) override;

  // Writes the collected files, or says what went wrong while injecting.
  Status finish();

 private:
  template <typename T>
  void collect(const std::string& name, const char* descr, size_t rows, size_t cols, const T* data,
               size_t stride);
  Status inject(const std::string& name, size_t rows, size_t cols, int8_t* q, size_t stride,
                float* scale);

  struct Array {
    const char* descr;
    size_t cols;
    std::string bytes;  // (tokens, cols)
  };

  std::string model_;
  std::string write_folder_;
  std::string inject_folder_;
  size_t tokens_;
  size_t first_token_ = 0;
  std::map<std::string, Array> arrays_;
  Status status_;
};

}  // namespace rotor::cli
