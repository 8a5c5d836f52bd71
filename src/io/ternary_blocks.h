// SPDX-License-Identifier: Apache-2.0
// Decoding GGUF matrices of trits in blocks along a row, each block with a scale of its own: TQ1_0 and
// TQ2_0 of ggml, Q2_0 and Q1_0 of ggml and its forks, PQ2_0 and PTQ1_0 of PrismML's fork.
// docs/formats/gguf.md has them byte by byte.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "io/gguf.h"

namespace rotor {

enum class TernaryBlock : uint8_t { kTQ1_0, kTQ2_0, kQ1_0, kQ2_0_64, kQ2_0_128, kPQ2_0, kPTQ1_0 };

struct TernaryBlockInfo {
  std::string_view name;  // "TQ1_0", "Q2_0 g64"
  uint32_t type;          // GGUF id
  size_t elements;        // of a block
  size_t bytes;
  size_t scale_at;        // byte of the binary16 scale
};
const TernaryBlockInfo& ternary_block_info(TernaryBlock block);

// Which of them `tensor` is: by its id, and where that has several meanings by the bytes it takes. None
// where these fit several: a tensor of a few blocks, hidden by the padding.
std::optional<TernaryBlock> find_ternary_block(const GgufTensor& tensor);

// One tensor of an open file. Immutable; reading may go on in several threads at once.
class TernaryBlockTensor {
 public:
  // `tensor` is one of `file`, which must outlive the result. kFormatError when it is no matrix of
  // whole blocks in each row.
  static Result<TernaryBlockTensor> open(const GgufFile& file, const GgufTensor& tensor,
                                         TernaryBlock block);

  uint64_t rows() const { return rows_; }
  uint64_t cols() const { return cols_; }
  const TernaryBlockInfo& info() const { return ternary_block_info(block_); }

  // Writes row r of [row_begin, row_end) to trits + (r - row_begin) * stride, `cols` values each; a block
  // whose scale is 0 has zeros. kFormatError, with the byte's offset in the file, for a byte that holds
  // no trits; kUnsupported where Q2_0 has its fourth level. REQUIRES: row_end <= rows(), stride >= cols().
  Status read_rows(uint64_t row_begin, uint64_t row_end, int8_t* trits, size_t stride) const;

  // scales (row_end - row_begin, cols() / info().elements). kFormatError for one that is negative or not
  // finite.
  Status read_scales(uint64_t row_begin, uint64_t row_end, float* scales) const;

 private:
  uint64_t row_bytes() const { return cols_ / info().elements * info().bytes; }
  Status bad_byte(uint64_t offset, uint8_t byte) const;

  const File* file_ = nullptr;
  std::string name_;
  uint64_t offset_ = 0;  // of the first block, in the file
  uint64_t rows_ = 0;
  uint64_t cols_ = 0;
  TernaryBlock block_ = TernaryBlock::kTQ1_0;
};

}  // namespace rotor
