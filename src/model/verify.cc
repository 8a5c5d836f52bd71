// SPDX-License-Identifier: Apache-2.0
#include "model/verify.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <optional>
#include <string_view>

#include "base/half.h"
#include "base/sha256.h"
#include "io/container.h"
#include "io/gguf.h"
#include "io/safetensors.h"
#include "model/gguf_metadata.h"
#include "model/loader.h"
#include "model/not_finite.h"
#include "model/rotor_names.h"
#include "model/trit_hash.h"

namespace rotor {
namespace {

constexpr size_t kChunkBytes = size_t{1} << 20;
constexpr uint64_t kAlignment = 64;  // padding tensors are shorter

// SHA-256 of one tensor of a .rotor file.
Result<std::string> hash_tensor(const SafetensorsFile& file, const SafetensorsTensor& tensor) {
  Sha256 hash;
  std::vector<std::byte> chunk(std::min<uint64_t>(kChunkBytes, tensor.bytes));
  for (uint64_t at = 0; at < tensor.bytes; at += chunk.size()) {
    const size_t bytes = std::min<uint64_t>(chunk.size(), tensor.bytes - at);
    ROTOR_TRY(file.read(tensor, at, std::span(chunk).first(bytes)));
    hash.update(std::span(chunk).first(bytes));
  }
  return hash.hex();
}

// The fill between tensors carries no checksum; every byte of it is zero.
Status check_padding(const SafetensorsFile& file, const SafetensorsTensor& tensor) {
  std::vector<std::byte> bytes(tensor.bytes);
  ROTOR_TRY(file.read(tensor, 0, bytes));
  const auto bad =
      std::find_if(bytes.begin(), bytes.end(), [](std::byte b) { return b != std::byte{0}; });
  if (bad != bytes.end()) {
    return format_error(file.file().path() + ": tensor '" + tensor.name + "', byte " +
                        std::to_string(tensor.offset + (bad - bytes.begin())) +
                        ": expected zero padding");
  }
  return {};
}

Status check_tensor(const SafetensorsFile& file, const SafetensorsTensor& tensor) {
  if (tensor.name.starts_with("rotor.pad.") && tensor.bytes < kAlignment) {
    return check_padding(file, tensor);
  }
  const auto recorded = file.metadata().find("sha256." + tensor.name);
  const std::string expected = recorded == file.metadata().end() ? "none" : recorded->second;
  ROTOR_ASSIGN(const std::string found, hash_tensor(file, tensor));
  if (found != expected) {
    return Status(Code::kVerificationFailed,
                  file.file().path() + ": tensor '" + tensor.name + "', bytes " +
                      std::to_string(tensor.offset) + ".." +
                      std::to_string(tensor.offset + tensor.bytes) + ": recorded SHA-256 " +
                      expected + ", got " + found);
  }
  return {};
}

// Every tensor of a .rotor file against its metadata. Returns how many were compared.
Result<size_t> check_hashes(const std::string& path, ThreadPool& pool,
                            const ProgressCallback& progress) {
  ROTOR_ASSIGN(const SafetensorsFile file, SafetensorsFile::open(path));
  std::vector<SafetensorsTensor> tensors = file.tensors();
  // An embedding takes as long as all matrices; begun last, one thread would hash it alone.
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
  uint64_t done = 0;
  ROTOR_TRY(for_each_task(
      pool, tensors.size(), [&](size_t i) { return check_tensor(file, tensors[i]); },
      [&](size_t i) {
        done += tensors[i].bytes;
        if (progress) {
          progress("checking hashes", done, file.file().size());
        }
      }));
  return static_cast<size_t>(
      std::count_if(tensors.begin(), tensors.end(), [](const SafetensorsTensor& tensor) {
        return !tensor.name.starts_with("rotor.pad.");
      }));
}

// The trits of a .rotor file against its metadata: a converter that lost some wrote tensors whose
// own hashes are right.
Status check_trits(const std::string& path, const std::string& found) {
  ROTOR_ASSIGN(const SafetensorsFile file, SafetensorsFile::open(path));
  const auto recorded = file.metadata().find(rotor_names::kTritsKey);
  const std::string expected = recorded == file.metadata().end() ? "none" : recorded->second;
  if (found != expected) {
    return Status(Code::kVerificationFailed, path + ": " + rotor_names::kTritsKey + ": recorded " +
                                                 expected + ", the matrices have " + found);
  }
  return {};
}

// The same of a GGUF file that Rotor wrote; others have no such key.
Status check_gguf_trits(const std::string& path, const std::string& found) {
  ROTOR_ASSIGN(const GgufFile file, GgufFile::open(path));
  ROTOR_ASSIGN(const std::optional<std::string_view> expected, file.string(kGgufTritsKey));
  if (expected && found != *expected) {
    return Status(Code::kVerificationFailed, path + ": key '" + kGgufTritsKey + "': recorded " +
                                                 std::string(*expected) +
                                                 ", the matrices have " + found);
  }
  return {};
}

// Every value of an embedding or head in a plain float type must be finite.
Status check_finite(const FloatSource& source, const std::string& path, ThreadPool& pool) {
  if (!is_plain_float(source.type)) {
    return {};
  }
  const size_t item = float_row_bytes(source.type, 1);
  const size_t row_bytes = float_row_bytes(source.type, source.cols);
  const size_t step = std::max<size_t>(1, kChunkBytes / row_bytes);
  const auto check = [&](size_t chunk_index) -> Status {
    const size_t begin = chunk_index * step;
    const size_t end = std::min(source.rows, begin + step);
    std::vector<std::byte> chunk((end - begin) * row_bytes);
    ROTOR_TRY(source.reader->read(begin, end, chunk.data()));
    const size_t bad = first_not_finite(source.type, chunk);
    if (bad != chunk.size() / item) {
      return format_error(path + ": tensor '" + source.tensor + "', byte " +
                          std::to_string(begin * row_bytes + bad * item) +
                          " of its data: expected a finite number, got infinity or NaN");
    }
    return {};
  };
  return for_each_task(pool, (source.rows + step - 1) / step, check, [](size_t) {});
}

// Every scale of groups: that it is read says that it is finite.
Status check_group_scales(const ModelSource& source, ThreadPool& pool) {
  std::vector<const LinearSource*> grouped;
  for (const LayerSource& layer : source.layers) {
    for (const LinearSource& linear : layer.linear) {
      if (linear.scale.grouped()) {
        grouped.push_back(&linear);
      }
    }
  }
  const auto check = [&](size_t i) -> Status {
    const LinearSource& linear = *grouped[i];
    const size_t groups = linear.scale.group.groups(linear.trits->cols());
    std::vector<float> scales(kTileRows * groups);
    for (size_t block = 0; block < row_blocks(linear.trits->rows()); ++block) {
      ROTOR_TRY(linear.group_scales->read(block, block + 1, scales.data()));
    }
    return {};
  };
  return for_each_task(pool, grouped.size(), check, [](size_t) {});
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
  ROTOR_TRY(check_finite(source.embed, path, pool));
  if (source.head) {
    ROTOR_TRY(check_finite(*source.head, path, pool));
  }
  for (const LayerSource& layer : source.layers) {
    if (layer.router) {
      ROTOR_TRY(check_finite(*layer.router, path, pool));
    }
  }
  report.scale_rule = scale_rule_text(source);
  if (has_float_matrices(source)) {
    for (const LayerSource& layer : source.layers) {
      for (const LinearSource& linear : layer.linear) {
        ROTOR_TRY(check_finite(*linear.floats, path, pool));
      }
    }
    report.matrices = source.layers.size() * kLinearRoles;
    return report;
  }
  ROTOR_TRY(check_group_scales(source, pool));
  ROTOR_ASSIGN(const TritStatistics trits, trit_statistics(source, pool, progress));
  if (source.container == "rotor") {
    ROTOR_TRY(check_trits(path, trits.sha256));
  } else if (source.container.starts_with("GGUF")) {
    ROTOR_TRY(check_gguf_trits(path, trits.sha256));
  }
  report.trits_sha256 = trits.sha256;
  report.matrices = trits.histogram.size();
  warn_of_zero_matrices(source, std::bind_front(&TritStatistics::all_zero, &trits),
                        report.warnings);
  return report;
}

}  // namespace rotor
