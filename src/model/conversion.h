// SPDX-License-Identifier: Apache-2.0
// What the writers of all containers share: matrices are packed by the pool, a layer at a time, while
// their trits are hashed; rows of embeddings are copied in pieces; progress and cancelling.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/sha256.h"
#include "base/thread_pool.h"
#include "model/model_source.h"

namespace rotor {

struct ConvertResult {
  std::string trits_sha256;         // model/trit_hash.h; what was written has the same
  uint64_t file_bytes = 0;          // of all files together
  std::vector<std::string> notes;   // what the container changes or cannot say
};

// A matrix as its container holds it.
struct PackedMatrix {
  std::vector<uint8_t> bytes;
  std::vector<std::byte> scales;  // those that lie apart, or none
  std::string sha256;             // of its trits
  double rounding = 0.0;          // the largest change of a scale, as a part of it
};

// One conversion. One thread at a time; it uses the whole pool.
class Conversion {
 public:
  Conversion(const ModelSource& source, ThreadPool& pool, const ProgressCallback& progress,
             const CancelFlag* cancel)
      : source_(source), pool_(pool), progress_(progress), cancel_(cancel) {}

  using Pack = std::function<Result<PackedMatrix>(size_t layer, LinearRole role)>;
  using Write = std::function<Status(size_t layer, std::span<const PackedMatrix> by_role)>;
  // For each layer, packs its matrices (on several threads) and writes them. Memory: the packed
  // matrices of one layer.
  Status convert_layers(const Pack& pack, const Write& write);

  // The bytes of all rows, a megabyte at a time.
  Status copy_rows(const FloatSource& rows,
                   const std::function<Status(std::span<const std::byte>)>& write);

  Status check_cancel() const;

  // Of all matrices that convert_layers() packed. Once, at the end.
  std::string trits_sha256() { return trits_.hex(); }
  // Of all scales.
  double rounding() const { return rounding_; }

 private:
  const ModelSource& source_;
  ThreadPool& pool_;
  const ProgressCallback& progress_;
  const CancelFlag* cancel_;
  Sha256 trits_;
  double rounding_ = 0.0;
};

// Reads a matrix row block by row block: use(block, rows, trits) gets `rows` rows (16, fewer in the
// last). Returns the SHA-256 of the matrix (model/matrix_hash.h).
Result<std::string> for_each_row_block(
    const TritReader& reader, const std::function<Status(size_t block, size_t rows,
                                                         const int8_t* trits)>& use);

// The scale of every row and every group of `group_cols` columns of row blocks [begin, end) into scales
// (16 * (end - begin), ceil(cols / group_cols)), whatever the matrix has one for. REQUIRES: its own
// groups, if any, are a multiple of group_cols or whole rows.
Status read_scales(const LinearSource& linear, size_t group_cols, size_t begin, size_t end,
                   float* scales);

// The widest group_cols for read_scales(): the matrix's own groups, or its rows.
size_t scale_group_cols(const LinearSource& linear);

// Every token known to end an answer, ascending.
std::vector<TokenId> end_tokens(const ModelSource& source);

// kUnsupported unless the layers are what the model's family says that they are (model/family.h):
// `container` names the family alone.
Status check_family_layers(const ModelConfig& config, const std::string& container);

}  // namespace rotor
