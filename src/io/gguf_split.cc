// SPDX-License-Identifier: Apache-2.0
#include "io/gguf_split.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace rotor {
namespace {

constexpr std::string_view kNo = "split.no";
constexpr std::string_view kCount = "split.count";
constexpr std::string_view kTensors = "split.tensors.count";
constexpr int64_t kMaxParts = 65'535;   // the count is a u16
constexpr size_t kMaxTensors = 65'536;  // of all parts, as of one file
constexpr std::string_view kNumbers = "-00001-of-00001.gguf";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "-00002-of-00003.gguf"
bool ends_like_part(std::string_view path) {
  if (path.size() < kNumbers.size()) {
    return false;
  }
  const std::string_view end = path.substr(path.size() - kNumbers.size());
  for (size_t i = 0; i < end.size(); ++i) {
    if (is_digit(kNumbers[i]) ? !is_digit(end[i]) : end[i] != kNumbers[i]) {
      return false;
    }
  }
  return true;
}

Result<int64_t> required(const GgufFile& file, std::string_view key) {
  ROTOR_ASSIGN(const std::optional<int64_t> value, file.integer(key));
  return value ? Result<int64_t>(*value)
               : format_error(fmt::format("{}: a part of a split model lacks the key {}",
                                          file.file().path(), key));
}

// Values that both files have, arrays aside, are the same.
Status check_same_model(const GgufFile& first, const GgufFile& part) {
  for (const GgufEntry& entry : part.metadata()) {
    const GgufValue* const other = first.find_value(entry.key);
    const bool array = std::holds_alternative<std::unique_ptr<const GgufArray>>(entry.value);
    if (entry.key != kNo && other != nullptr && !array && *other != entry.value) {
      return format_error(fmt::format("{}: {} is another than in {}: it is a part of another model",
                                      part.file().path(), entry.key, first.file().path()));
    }
  }
  return {};
}

}  // namespace

std::optional<std::string> gguf_part_path(const std::string& path, uint32_t part) {
  if (!ends_like_part(path)) {
    return std::nullopt;
  }
  std::string result = path;
  result.replace(path.size() - kNumbers.size(), 6, fmt::format("-{:05}", part + 1));
  return result;
}

Result<uint32_t> gguf_part_count(const GgufFile& file) {
  ROTOR_ASSIGN(const std::optional<int64_t> count, file.integer(kCount));
  if (!count || *count <= 1) {
    return uint32_t{1};
  }
  ROTOR_ASSIGN(const int64_t number, required(file, kNo));
  if (*count > kMaxParts || number < 0 || number >= *count) {
    return format_error(fmt::format("{}: {} is {}, but {} is {}", file.file().path(), kNo, number,
                                    kCount, *count));
  }
  return static_cast<uint32_t>(*count);
}

Result<GgufFile> open_gguf_parts(GgufFile part) {
  ROTOR_ASSIGN(const uint32_t count, gguf_part_count(part));
  ROTOR_ASSIGN(const int64_t number, required(part, kNo));
  const std::string path = part.file().path();
  const std::string ending = fmt::format("-{:05}-of-{:05}.gguf", number + 1, count);
  if (!path.ends_with(ending)) {
    return format_error(fmt::format("{}: holds part {} of {} of a split model, whose name ends in {}; "
                                    "the other parts are found by it",
                                    path, number + 1, count, ending));
  }
  std::vector<GgufFile> parts;
  for (uint32_t i = 0; i < count; ++i) {
    if (i == number) {
      parts.push_back(std::move(part));
      continue;
    }
    const std::string name = *gguf_part_path(path, i);
    std::error_code ignored;
    if (!std::filesystem::exists(name, ignored)) {
      return format_error(fmt::format("{}: part {} of {} of the model is missing", name, i + 1, count));
    }
    ROTOR_ASSIGN(File file, File::open(name));
    ROTOR_ASSIGN(GgufFile opened, GgufFile::parse(std::move(file)));
    parts.push_back(std::move(opened));
  }
  return GgufFile::join(std::move(parts));
}

Result<GgufFile> GgufFile::join(std::vector<GgufFile> parts) {
  GgufFile all = std::move(parts[0]);
  ROTOR_ASSIGN(const int64_t tensors, required(all, kTensors));
  for (size_t i = 0; i < parts.size(); ++i) {
    GgufFile& part = i == 0 ? all : parts[i];
    ROTOR_ASSIGN(const int64_t number, required(part, kNo));
    ROTOR_ASSIGN(const int64_t count, required(part, kCount));
    if (number != static_cast<int64_t>(i) || count != static_cast<int64_t>(parts.size())) {
      return format_error(fmt::format("{}: expected part {} of {}, found part {} of {}",
                                      part.file().path(), i + 1, parts.size(), number + 1, count));
    }
    if (i == 0) {
      continue;
    }
    ROTOR_TRY(check_same_model(all, part));
    for (GgufTensor& tensor : part.tensors_) {
      tensor.part = static_cast<uint32_t>(i);
      all.tensors_.push_back(std::move(tensor));
    }
    all.more_files_.push_back(std::move(part.file_));
    if (all.tensors_.size() > kMaxTensors) {
      return format_error(fmt::format("{}: the parts up to here have more than {} tensors",
                                      part.file().path(), kMaxTensors));
    }
  }
  ROTOR_TRY(all.index_tensors());
  if (tensors != static_cast<int64_t>(all.tensors_.size())) {
    return format_error(fmt::format("{}: {} is {}, but the {} parts have {} tensors",
                                    all.file().path(), kTensors, tensors, parts.size(),
                                    all.tensors_.size()));
  }
  return all;
}

}  // namespace rotor
