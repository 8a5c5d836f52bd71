// SPDX-License-Identifier: Apache-2.0
#include "model/trit_hash.h"

#include <algorithm>
#include <span>

#include "base/sha256.h"
#include "model/loader.h"

namespace rotor {
namespace {

struct MatrixResult {
  std::string sha256;
  std::array<uint64_t, 3> histogram = {0, 0, 0};
};

Result<MatrixResult> read_matrix(const TritReader& reader) {
  MatrixResult result;
  Sha256 hash;
  const size_t cols = reader.cols();
  const size_t step = std::max<size_t>(1, (size_t{1} << 20) / (kTileRows * cols));
  std::vector<int8_t> trits(step * kTileRows * cols);
  const size_t blocks = row_blocks(reader.rows());
  for (size_t begin = 0; begin < blocks; begin += step) {
    const size_t end = std::min(blocks, begin + step);
    ROTOR_TRY(reader.read(begin, end, trits.data()));
    const size_t rows = std::min(end * kTileRows, reader.rows()) - begin * kTileRows;
    const std::span<const int8_t> values(trits.data(), rows * cols);
    hash.update(std::as_bytes(values));
    uint64_t minus = 0;
    uint64_t plus = 0;
    for (const int8_t t : values) {
      minus += t < 0;
      plus += t > 0;
    }
    result.histogram[0] += minus;
    result.histogram[1] += values.size() - minus - plus;
    result.histogram[2] += plus;
  }
  result.sha256 = hash.hex();
  return result;
}

}  // namespace

Result<TritStatistics> trit_statistics(const ModelSource& source, ThreadPool& pool,
                                       const ProgressCallback& progress) {
  const size_t count = source.layers.size() * kLinearRoles;
  TritStatistics out;
  out.matrix_sha256.resize(count);
  out.histogram.resize(count);
  size_t done = 0;
  ROTOR_TRY(for_each_task(
      pool, count,
      [&](size_t i) -> Status {
        const LinearSource& linear = source.layers[i / kLinearRoles].linear[i % kLinearRoles];
        ROTOR_ASSIGN(MatrixResult result, read_matrix(*linear.trits));
        out.matrix_sha256[i] = std::move(result.sha256);
        out.histogram[i] = result.histogram;
        return {};
      },
      [&](size_t) {
        if (progress) {
          progress("hashing trits", ++done, count);
        }
      }));
  Sha256 all;
  for (size_t i = 0; i < count; ++i) {
    all.update(std::as_bytes(std::span(out.matrix_sha256[i])));
    for (size_t t = 0; t < 3; ++t) {
      out.total[t] += out.histogram[i][t];
    }
  }
  out.sha256 = all.hex();
  return out;
}

}  // namespace rotor
