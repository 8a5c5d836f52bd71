// SPDX-License-Identifier: Apache-2.0
// The header of a safetensors file, checked field by field: it is JSON that anyone may have
// written.
#include "io/safetensors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <new>
#include <numeric>
#include <optional>
#include <utility>

#include "base/json.h"
#include "io/checked.h"
#include "io/quote_name.h"

namespace rotor {
namespace {

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr size_t kMaxTensors = 65'536;
constexpr size_t kMaxRank = 8;
constexpr std::string_view kMetadataKey = "__metadata__";

// Parses the header of one file; `begin_` is where the tensor bytes start.
class HeaderParser {
 public:
  HeaderParser(const File& file, uint64_t begin) : file_(file), begin_(begin) {}

  Result<std::map<std::string, std::string>> metadata(JsonValue value) const;
  Result<SafetensorsTensor> tensor(std::string_view name, JsonValue value) const;
  Status check_layout(std::span<const SafetensorsTensor> tensors) const;

 private:
  Status error(std::string_view name, std::string_view message) const {
    return format_error(fmt::format("{}: tensor {}: {}", file_.path(), quote_name(name), message));
  }
  Result<DType> dtype(std::string_view name, JsonValue value) const;
  Result<std::vector<uint64_t>> shape(std::string_view name, JsonValue value) const;
  Status place(SafetensorsTensor& tensor, JsonValue offsets) const;

  const File& file_;
  uint64_t begin_;
};

Result<std::map<std::string, std::string>> HeaderParser::metadata(JsonValue value) const {
  std::map<std::string, std::string> entries;
  JsonObject object;
  if (value.get(object) != simdjson::SUCCESS) {
    return format_error(fmt::format("{}: {} is not an object", file_.path(), kMetadataKey));
  }
  for (const auto& [key, entry] : object) {
    std::string_view text;
    if (entry.get(text) != simdjson::SUCCESS) {
      return format_error(fmt::format("{}: {}: the value of {} is not a string", file_.path(),
                                      kMetadataKey, quote_name(key)));
    }
    if (!entries.emplace(key, text).second) {
      return format_error(
          fmt::format("{}: {}: {} occurs twice", file_.path(), kMetadataKey, quote_name(key)));
    }
  }
  return entries;
}

Result<DType> HeaderParser::dtype(std::string_view name, JsonValue value) const {
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) {
    return error(name, "dtype is not a string");
  }
  const auto dtype = parse_dtype(text);
  if (!dtype) {
    return error(name, fmt::format("unknown dtype {}", quote_name(text)));
  }
  return *dtype;
}

Result<std::vector<uint64_t>> HeaderParser::shape(std::string_view name, JsonValue value) const {
  JsonArray array;
  if (value.get(array) != simdjson::SUCCESS) {
    return error(name, "shape is not an array");
  }
  if (array.size() > kMaxRank) {
    return error(name,
                 fmt::format("has {} dimensions; at most {} are accepted", array.size(), kMaxRank));
  }
  std::vector<uint64_t> dimensions;
  for (const JsonValue entry : array) {
    uint64_t dimension;
    if (entry.get(dimension) != simdjson::SUCCESS) {
      return error(name,
                   fmt::format("dimension {} is not an integer of 0 or more", dimensions.size()));
    }
    dimensions.push_back(dimension);
  }
  return dimensions;
}

// Sets offset and bytes from data_offsets, which count from the end of the header.
Status HeaderParser::place(SafetensorsTensor& tensor, JsonValue offsets) const {
  JsonArray array;
  uint64_t begin;
  uint64_t end;
  if (offsets.get(array) != simdjson::SUCCESS || array.size() != 2 ||
      array.at(0).get(begin) != simdjson::SUCCESS || array.at(1).get(end) != simdjson::SUCCESS) {
    return error(tensor.name, "data_offsets are not two integers of 0 or more");
  }
  const uint64_t data_bytes = file_.size() - begin_;
  if (begin > end || end > data_bytes) {
    return error(tensor.name, fmt::format("data_offsets [{}, {}] leave the {} bytes of data that "
                                          "follow the header at offset {}",
                                          begin, end, data_bytes, begin_));
  }
  tensor.offset = begin_ + begin;
  tensor.bytes = end - begin;
  std::optional<uint64_t> bits = dtype_bits(tensor.dtype);
  for (const uint64_t dimension : tensor.shape) {
    bits = bits ? checked_multiply(*bits, dimension) : bits;
  }
  // tensor.bytes <= file size < 2^63; compare in bytes so that 8 * bytes cannot wrap.
  if (!bits || *bits % 8 != 0 || *bits / 8 != tensor.bytes) {
    return error(tensor.name,
                 fmt::format("{} of shape {} needs {} bytes, but data_offsets [{}, {}] hold {}",
                             dtype_name(tensor.dtype), shape_text(tensor.shape),
                             bits ? fmt::format("{}", *bits / 8) : "more than 2^61", begin, end,
                             tensor.bytes));
  }
  return Status();
}

Result<SafetensorsTensor> HeaderParser::tensor(std::string_view name, JsonValue value) const {
  JsonObject object;
  if (value.get(object) != simdjson::SUCCESS) {
    return error(name, "its description is not an object");
  }
  constexpr std::array<std::string_view, 3> kKeys = {"dtype", "shape", "data_offsets"};
  std::array<std::optional<JsonValue>, 3> fields;
  for (const auto& [key, entry] : object) {
    const auto known = std::find(kKeys.begin(), kKeys.end(), key);
    if (known == kKeys.end()) {
      continue;
    }
    auto& field = fields[static_cast<size_t>(known - kKeys.begin())];
    if (field) {
      return error(name, fmt::format("{} occurs twice", key));
    }
    field = entry;
  }
  for (size_t i = 0; i < kKeys.size(); ++i) {
    if (!fields[i]) {
      return error(name, fmt::format("has no {}", kKeys[i]));
    }
  }
  SafetensorsTensor tensor;
  tensor.name = name;
  ROTOR_ASSIGN(tensor.dtype, dtype(name, *fields[0]));
  ROTOR_ASSIGN(tensor.shape, shape(name, *fields[1]));
  ROTOR_TRY(place(tensor, *fields[2]));
  return tensor;
}

// The tensors, in file order, must cover the data exactly.
Status HeaderParser::check_layout(std::span<const SafetensorsTensor> tensors) const {
  uint64_t expected = begin_;
  for (const SafetensorsTensor& tensor : tensors) {
    if (tensor.offset != expected) {
      return error(tensor.name,
                   fmt::format("starts at offset {}, expected {}: {}", tensor.offset, expected,
                               tensor.offset < expected ? "it overlaps the tensor before"
                                                        : "bytes in between belong to no tensor"));
    }
    expected += tensor.bytes;
  }
  if (expected != file_.size()) {
    return format_error(fmt::format("{}: the tensors end at offset {}, but the file has {} bytes",
                                    file_.path(), expected, file_.size()));
  }
  return Status();
}

Result<std::string> read_header(const File& file) {
  if (file.size() < kLengthBytes) {
    return format_error(fmt::format(
        "{}: header length at offset 0: needs 8 bytes, but the file ends at {}; not a safetensors "
        "file",
        file.path(), file.size()));
  }
  uint64_t length = 0;
  ROTOR_TRY(file.read(0, std::as_writable_bytes(std::span(&length, 1))));
  if (length > kMaxHeaderBytes) {
    return format_error(
        fmt::format("{}: header length at offset 0: {} bytes; at most {} are accepted", file.path(),
                    length, kMaxHeaderBytes));
  }
  if (length > file.size() - kLengthBytes) {
    return format_error(fmt::format(
        "{}: header at offset 8: needs {} bytes, but the file ends at {}: truncated, or not a "
        "safetensors file",
        file.path(), length, file.size()));
  }
  std::string text(static_cast<size_t>(length), '\0');
  ROTOR_TRY(file.read(kLengthBytes, std::as_writable_bytes(std::span(text))));
  return text;
}

// Indices of the tensors sorted by name, or the error that two are the same.
Result<std::vector<uint32_t>> index_names(const File& file,
                                          std::span<const SafetensorsTensor> tensors) {
  std::vector<uint32_t> order(tensors.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return tensors[a].name < tensors[b].name; });
  const auto twice = std::adjacent_find(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return tensors[a].name == tensors[b].name;
  });
  if (twice != order.end()) {
    return format_error(
        fmt::format("{}: tensor {} occurs twice", file.path(), quote_name(tensors[*twice].name)));
  }
  return order;
}

}  // namespace

std::string shape_text(std::span<const uint64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

Result<SafetensorsFile> SafetensorsFile::open(const std::string& path) {
  ROTOR_ASSIGN(File file, File::open(path));
  return parse(std::move(file));
}

Result<SafetensorsFile> SafetensorsFile::parse(File file) try {
  ROTOR_ASSIGN(const std::string header, read_header(file));
  ROTOR_ASSIGN(const JsonDocument document,
               JsonDocument::parse(header, file.path() + ": header at offset 8"));
  JsonObject object;
  if (document.root().get(object) != simdjson::SUCCESS) {
    return format_error(file.path() + ": header at offset 8 is not a JSON object");
  }
  const HeaderParser parser(file, kLengthBytes + header.size());
  SafetensorsFile result;
  bool has_metadata = false;
  for (const auto& [name, value] : object) {
    if (name == kMetadataKey) {
      if (std::exchange(has_metadata, true)) {
        return format_error(fmt::format("{}: {} occurs twice", file.path(), kMetadataKey));
      }
      ROTOR_ASSIGN(result.metadata_, parser.metadata(value));
      continue;
    }
    if (result.tensors_.size() == kMaxTensors) {
      return format_error(fmt::format("{}: more than {} tensors", file.path(), kMaxTensors));
    }
    ROTOR_ASSIGN(SafetensorsTensor tensor, parser.tensor(name, value));
    result.tensors_.push_back(std::move(tensor));
  }
  std::stable_sort(result.tensors_.begin(), result.tensors_.end(),
                   [](const SafetensorsTensor& a, const SafetensorsTensor& b) {
                     return std::pair(a.offset, a.bytes) < std::pair(b.offset, b.bytes);
                   });
  ROTOR_ASSIGN(result.by_name_, index_names(file, result.tensors_));
  ROTOR_TRY(parser.check_layout(result.tensors_));
  result.file_ = std::move(file);
  return result;
} catch (const std::bad_alloc&) {
  return out_of_memory("no memory for the header of a safetensors file");
}

const SafetensorsTensor* SafetensorsFile::find(std::string_view name) const {
  const auto found = std::lower_bound(
      by_name_.begin(), by_name_.end(), name,
      [&](uint32_t index, std::string_view key) { return tensors_[index].name < key; });
  return found != by_name_.end() && tensors_[*found].name == name ? &tensors_[*found] : nullptr;
}

Status SafetensorsFile::read(const SafetensorsTensor& tensor, uint64_t byte_offset,
                             std::span<std::byte> out) const {
  if (out.size() > tensor.bytes || byte_offset > tensor.bytes - out.size()) {
    return invalid_argument(fmt::format("{}: tensor {}: bytes {} to {} of {} do not exist",
                                        file_.path(), quote_name(tensor.name), byte_offset,
                                        byte_offset + out.size(), tensor.bytes));
  }
  return file_.read(tensor.offset + byte_offset, out);
}

}  // namespace rotor
