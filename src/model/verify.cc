// SPDX-License-Identifier: Apache-2.0
#include "model/verify.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/half.h"
#include "base/sha256.h"
#include "io/container.h"
#include "io/safetensors.h"
#include "model/loader.h"
#include "model/rotor_names.h"
#include "model/trit_hash.h"

namespace rotor {
namespace {

constexpr size_t kChunkBytes = size_t{1} << 20;

// SHA-256 of every tensor of a .rotor file against its metadata.
Result<size_t> check_hashes(const std::string& path, ThreadPool& pool,
                            const ProgressCallback& progress) {
  ROTOR_ASSIGN(const SafetensorsFile file, SafetensorsFile::open(path));
  const auto& tensors = file.tensors();
  uint64_t done = 0;
  size_t checked = 0;
  ROTOR_TRY(for_each_task(
      pool, tensors.size(),
      [&](size_t i) -> Status {
        const SafetensorsTensor& tensor = tensors[i];
        const auto recorded = file.metadata().find("sha256." + tensor.name);
        if (recorded == file.metadata().end()) {
          return {};
        }
        Sha256 hash;
        std::vector<std::byte> chunk(std::min<uint64_t>(kChunkBytes, tensor.bytes));
        for (uint64_t at = 0; at < tensor.bytes; at += chunk.size()) {
          const size_t bytes = std::min<uint64_t>(chunk.size(), tensor.bytes - at);
          ROTOR_TRY(file.read(tensor, at, std::span(chunk).first(bytes)));
          hash.update(std::span(chunk).first(bytes));
        }
        const std::string found = hash.hex();
        if (found != recorded->second) {
          return Status(Code::kVerificationFailed,
                        path + ": tensor '" + tensor.name + "', bytes " +
                            std::to_string(tensor.offset) + ".." +
                            std::to_string(tensor.offset + tensor.bytes) + ": expected SHA-256 " +
                            recorded->second + ", got " + found);
        }
        return {};
      },
      [&](size_t i) {
        done += tensors[i].bytes;
        checked += file.metadata().contains("sha256." + tensors[i].name);
        if (progress) {
          progress("checking hashes", done, file.file().size());
        }
      }));
  return checked;
}

// Every value of an embedding or head in a plain float type must be finite.
Status check_finite(const FloatSource& source, const std::string& path) {
  if (source.type == FloatType::kQ8_0 || source.type == FloatType::kQ6K) {
    return {};
  }
  const bool wide = source.type == FloatType::kF32;
  const uint32_t exponent = wide ? 0x7f800000u : source.type == FloatType::kBf16 ? 0x7f80u : 0x7c00u;
  const size_t item = wide ? 4 : 2;
  const size_t row_bytes = float_row_bytes(source.type, source.cols);
  const size_t step = std::max<size_t>(1, kChunkBytes / row_bytes);
  std::vector<std::byte> chunk(step * row_bytes);
  for (size_t begin = 0; begin < source.rows; begin += step) {
    const size_t end = std::min(source.rows, begin + step);
    ROTOR_TRY(source.reader->read(begin, end, chunk.data()));
    for (size_t at = 0; at < (end - begin) * row_bytes; at += item) {
      uint32_t bits = 0;
      std::memcpy(&bits, chunk.data() + at, item);
      if ((bits & exponent) == exponent) {
        return format_error(path + ": tensor '" + source.tensor + "', byte " +
                            std::to_string(begin * row_bytes + at) +
                            " of its data: expected a finite number, got infinity or NaN");
      }
    }
  }
  return {};
}

}  // namespace

Result<VerifyReport> verify_model(const std::string& path, const SourceOptions& options,
                                  ThreadPool& pool, const ProgressCallback& progress) {
  VerifyReport report;
  ROTOR_ASSIGN(const ModelSource source, open_model_source(path, options));
  report.container = source.container;
  report.notes = source.notes;
  report.warnings = source.warnings;
  if (source.container == "rotor") {
    ROTOR_ASSIGN(report.hashes_checked, check_hashes(path, pool, progress));
  }
  ROTOR_TRY(check_finite(source.embed, path));
  if (source.head) {
    ROTOR_TRY(check_finite(*source.head, path));
  }
  ROTOR_ASSIGN(const TritStatistics trits, trit_statistics(source, pool, progress));
  report.trits_sha256 = trits.sha256;
  report.matrices = trits.histogram.size();
  for (size_t i = 0; i < trits.histogram.size(); ++i) {
    if (trits.histogram[i][0] + trits.histogram[i][2] == 0) {
      report.warnings.push_back(
          "tensor '" + source.layers[i / kLinearRoles].linear[i % kLinearRoles].tensor +
          "' holds only zeros");
    }
  }
  return report;
}

}  // namespace rotor
