// SPDX-License-Identifier: Apache-2.0
#include "model/trit_hash.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "base/sha256.h"
#include "model/loader.h"
#include "model/matrix_hash.h"

namespace rotor {
namespace {

struct MatrixResult {
  std::string sha256;
  std::array<uint64_t, 3> histogram = {0, 0, 0};
  std::vector<bool> zero_rows;
  std::vector<bool> zero_cols;
};

// Counts a row, and marks in `used` the columns where it is not zero.
void add_row(std::span<const int8_t> row, MatrixResult& result, std::vector<int8_t>& used) {
  constexpr size_t kStep = 128;  // counts of a step fit a byte, so that whole vectors of bytes are added
  const int8_t* const trits = row.data();
  int8_t* const marks = used.data();
  uint64_t minus = 0;
  uint64_t plus = 0;
  for (size_t begin = 0; begin < row.size(); begin += kStep) {
    const size_t end = std::min(begin + kStep, row.size());
    uint8_t few_minus = 0;
    uint8_t few_plus = 0;
    for (size_t c = begin; c < end; ++c) {
      few_minus = static_cast<uint8_t>(few_minus + (trits[c] < 0));
      few_plus = static_cast<uint8_t>(few_plus + (trits[c] > 0));
      marks[c] = static_cast<int8_t>(marks[c] | trits[c]);
    }
    minus += few_minus;
    plus += few_plus;
  }
  result.histogram[0] += minus;
  result.histogram[1] += row.size() - minus - plus;
  result.histogram[2] += plus;
  result.zero_rows.push_back(minus + plus == 0);
}

Result<MatrixResult> read_matrix(const TritReader& reader) {
  MatrixResult result;
  const size_t cols = reader.cols();
  MatrixHash hash(cols);
  const size_t step = std::max<size_t>(1, (size_t{1} << 20) / (kTileRows * cols));
  std::vector<int8_t> trits(step * kTileRows * cols);
  std::vector<int8_t> used(cols);  // per column, the bits of all its trits
  const size_t blocks = row_blocks(reader.rows());
  for (size_t begin = 0; begin < blocks; begin += step) {
    const size_t end = std::min(blocks, begin + step);
    ROTOR_TRY(reader.read(begin, end, trits.data()));
    const size_t rows = std::min(end * kTileRows, reader.rows()) - begin * kTileRows;
    const std::span<const int8_t> values(trits.data(), rows * cols);
    hash.update(values);
    for (size_t row = 0; row < rows; ++row) {
      add_row(values.subspan(row * cols, cols), result, used);
    }
  }
  for (const int8_t any : used) {
    result.zero_cols.push_back(any == 0);
  }
  result.sha256 = hash.hex();
  return result;
}

}  // namespace

std::vector<size_t> dead_channels(const TritStatistics& trits, size_t layers) {
  std::vector<size_t> dead(layers);
  for (size_t layer = 0; layer < layers; ++layer) {
    const auto matrix = [&](LinearRole role) {
      return layer * kLinearRoles + static_cast<size_t>(role);
    };
    const std::vector<bool>& gate = trits.zero_rows[matrix(LinearRole::kGate)];
    const std::vector<bool>& up = trits.zero_rows[matrix(LinearRole::kUp)];
    const std::vector<bool>& down = trits.zero_cols[matrix(LinearRole::kDown)];
    for (size_t channel = 0; channel < gate.size(); ++channel) {  // of one expert after the other
      dead[layer] += gate[channel] || up[channel] || down[channel % down.size()];
    }
  }
  return dead;
}

double trit_entropy(const std::array<uint64_t, 3>& counts) {
  const auto all = static_cast<double>(counts[0] + counts[1] + counts[2]);
  double bits = 0.0;
  for (const uint64_t count : counts) {
    if (count != 0) {
      const double share = static_cast<double>(count) / all;
      bits -= share * std::log2(share);
    }
  }
  return bits;
}

Result<TritStatistics> trit_statistics(const ModelSource& source, ThreadPool& pool,
                                       const ProgressCallback& progress,
                                       const CancelFlag* cancel) {
  const size_t count = source.layers.size() * kLinearRoles;
  TritStatistics out;
  out.matrix_sha256.resize(count);
  out.histogram.resize(count);
  out.zero_rows.resize(count);
  out.zero_cols.resize(count);
  size_t done = 0;
  ROTOR_TRY(for_each_task(
      pool, count,
      [&](size_t i) -> Status {
        if (cancel != nullptr && cancel->cancelled()) {
          return Status(Code::kCancelled, "cancelled");
        }
        const LinearSource& linear = source.layers[i / kLinearRoles].linear[i % kLinearRoles];
        ROTOR_ASSIGN(MatrixResult result, read_matrix(*linear.trits));
        out.matrix_sha256[i] = std::move(result.sha256);
        out.histogram[i] = result.histogram;
        out.zero_rows[i] = std::move(result.zero_rows);
        out.zero_cols[i] = std::move(result.zero_cols);
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
