// SPDX-License-Identifier: Apache-2.0
// GgufFile::parse: the header, the metadata and the tensor descriptions, in file order. Nothing is
// allocated for a count or a length before the file is known to have that many bytes.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <new>
#include <numeric>
#include <tuple>
#include <utility>

#include "io/byte_reader.h"
#include "io/checked.h"
#include "io/gguf.h"
#include "io/quote_name.h"

namespace rotor {
namespace {

constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr uint64_t kMaxEntries = 65'536;
constexpr uint64_t kMaxTensors = 65'536;
constexpr uint64_t kMaxKeyBytes = 65'535;  // the limit of the specification
constexpr uint64_t kMaxStringBytes = 1 << 20;
constexpr uint64_t kMaxArrayElements = 16'000'000;
constexpr uint64_t kMaxNameBytes = 63;  // what the readers of ggml have room for
constexpr uint32_t kMaxRank = 4;
constexpr uint64_t kMaxElements = uint64_t{1} << 48;
constexpr uint32_t kMinAlignment = 8;
constexpr uint32_t kMaxAlignment = 65'536;

// A key, its value type and one byte; a name, a rank, a type and an offset.
constexpr uint64_t kMinEntryBytes = 8 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 4 + 4 + 8;

constexpr uint32_t kBool = 7;
constexpr uint32_t kString = 8;
constexpr uint32_t kArray = 9;
constexpr uint32_t kValueTypes = 13;
// Bytes of a value of each type; a string is at least its length.
constexpr std::array<uint64_t, kValueTypes> kValueBytes = {1, 1, 2, 2, 4, 4, 4, 1, 8, 0, 8, 8, 8};

// Indices of `items` sorted by `name`; the index of one that occurs twice goes to `twice`.
template <typename Item>
std::vector<uint32_t> sorted_by(const std::vector<Item>& items, std::string Item::*name,
                                const Item*& twice) {
  std::vector<uint32_t> order(items.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return std::tie(items[a].*name, a) < std::tie(items[b].*name, b);
  });
  const auto same = std::adjacent_find(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return items[a].*name == items[b].*name;
  });
  twice = same == order.end() ? nullptr : &items[*(same + 1)];
  return order;
}

}  // namespace

class GgufParser {
 public:
  explicit GgufParser(GgufFile& result) : result_(result), reader_(result.file_, kMaxHeaderBytes) {}

  Status parse();

 private:
  Status header();
  Status entry();
  Status value(std::string_view field, GgufValue& out);
  template <typename T>
  Status scalar(std::string_view field, GgufValue& out);
  Status boolean(std::string_view field, GgufValue& out);
  Status string(std::string_view field, GgufValue& out);
  Status array(std::string_view field, GgufValue& out);
  Status string_elements(std::string_view field, GgufArray& array);
  Status alignment();
  Status tensor();
  Status dimensions(std::string_view field, GgufTensor& tensor);
  Status place_tensors();
  Status check_span(const GgufTensor& tensor, bool last) const;
  Status index_keys();
  Status tensor_error(const GgufTensor& tensor, std::string_view message) const {
    return format_error(fmt::format("{}: tensor {} at offset {}: {}", result_.file_.path(),
                                    quote_name(tensor.name), tensor.offset, message));
  }

  GgufFile& result_;
  ByteReader reader_;
  uint64_t entries_ = 0;
  uint64_t tensors_ = 0;
  uint32_t alignment_ = 32;
};

Status GgufParser::parse() {
  ROTOR_TRY(header());
  for (uint64_t i = 0; i < entries_; ++i) {
    ROTOR_TRY(entry());
  }
  ROTOR_TRY(reader_.expect("tensor descriptions", tensors_, kMinTensorBytes));
  result_.tensors_.reserve(static_cast<size_t>(tensors_));
  for (uint64_t i = 0; i < tensors_; ++i) {
    ROTOR_TRY(tensor());
  }
  ROTOR_TRY(index_keys());
  ROTOR_TRY(alignment());
  ROTOR_TRY(place_tensors());
  return result_.index_tensors();
}

Status GgufParser::header() {
  ROTOR_ASSIGN(const uint32_t magic, reader_.number<uint32_t>("magic"));
  if (magic != kMagic) {
    return reader_.error("magic", 0, fmt::format("expected \"GGUF\", found bytes {:08x}", magic));
  }
  ROTOR_ASSIGN(result_.version_, reader_.number<uint32_t>("version"));
  if (result_.version_ == 1) {
    return unsupported(result_.file_.path() +
                       ": version at offset 4: GGUF version 1 is not read; "
                       "convert the file to version 3 with a current ggml tool");
  }
  if (result_.version_ != 0 && (result_.version_ & 0xffffu) == 0) {
    return unsupported(result_.file_.path() +
                       ": version at offset 4: the file is big-endian; "
                       "convert it to little-endian with a current ggml tool");
  }
  if (result_.version_ != 2 && result_.version_ != 3) {
    return reader_.error("version", 4, fmt::format("expected 2 or 3, found {}", result_.version_));
  }
  ROTOR_ASSIGN(tensors_, reader_.number<uint64_t>("number of tensors"));
  ROTOR_ASSIGN(entries_, reader_.number<uint64_t>("number of metadata entries"));
  if (tensors_ > kMaxTensors) {
    return reader_.error("number of tensors", 8,
                         fmt::format("{}; at most {} are accepted", tensors_, kMaxTensors));
  }
  if (entries_ > kMaxEntries) {
    return reader_.error("number of metadata entries", 16,
                         fmt::format("{}; at most {} are accepted", entries_, kMaxEntries));
  }
  ROTOR_TRY(reader_.expect("metadata", entries_, kMinEntryBytes));
  result_.metadata_.reserve(static_cast<size_t>(entries_));
  return Status();
}

Status GgufParser::entry() {
  GgufEntry entry;
  ROTOR_ASSIGN(const uint64_t length, reader_.number<uint64_t>("length of a metadata key"));
  ROTOR_TRY(reader_.append("metadata key", length, kMaxKeyBytes, entry.key));
  const std::string field = "value of " + quote_name(entry.key);
  entry.offset = reader_.offset();
  ROTOR_TRY(value(field, entry.value));
  result_.metadata_.push_back(std::move(entry));
  return Status();
}

template <typename T>
Status GgufParser::scalar(std::string_view field, GgufValue& out) {
  ROTOR_ASSIGN(const T number, reader_.number<T>(field));
  out = number;
  return Status();
}

Status GgufParser::boolean(std::string_view field, GgufValue& out) {
  ROTOR_ASSIGN(const uint8_t byte, reader_.number<uint8_t>(field));
  if (byte > 1) {
    return reader_.error(field, reader_.offset() - 1,
                         fmt::format("expected 0 or 1 for false or true, found {}", byte));
  }
  out = byte == 1;
  return Status();
}

Status GgufParser::string(std::string_view field, GgufValue& out) {
  ROTOR_ASSIGN(const uint64_t length, reader_.number<uint64_t>(field));
  return reader_.append(field, length, kMaxStringBytes, out.emplace<std::string>());
}

Status GgufParser::value(std::string_view field, GgufValue& out) {
  using Read = Status (GgufParser::*)(std::string_view, GgufValue&);
  constexpr std::array<Read, kValueTypes> kReaders = {
      &GgufParser::scalar<uint8_t>, &GgufParser::scalar<int8_t>,   &GgufParser::scalar<uint16_t>,
      &GgufParser::scalar<int16_t>, &GgufParser::scalar<uint32_t>, &GgufParser::scalar<int32_t>,
      &GgufParser::scalar<float>,   &GgufParser::boolean,          &GgufParser::string,
      &GgufParser::array,           &GgufParser::scalar<uint64_t>, &GgufParser::scalar<int64_t>,
      &GgufParser::scalar<double>};
  const uint64_t start = reader_.offset();
  ROTOR_ASSIGN(const uint32_t type, reader_.number<uint32_t>(field));
  if (type >= kReaders.size()) {
    return reader_.error(field, start, fmt::format("unknown value type {}", type));
  }
  return (this->*kReaders[type])(field, out);
}

Status GgufParser::array(std::string_view field, GgufValue& out) {
  auto array = std::make_unique<GgufArray>();
  const uint64_t start = reader_.offset();
  ROTOR_ASSIGN(array->element_type, reader_.number<uint32_t>(field));
  if (array->element_type >= kValueTypes || array->element_type == kArray) {
    return reader_.error(
        field, start,
        fmt::format("array of elements of type {}: not a type of elements", array->element_type));
  }
  ROTOR_ASSIGN(array->count, reader_.number<uint64_t>(field));
  if (array->count > kMaxArrayElements) {
    return reader_.error(field, start + sizeof(uint32_t),
                         fmt::format("array of {} elements; at most {} are accepted", array->count,
                                     kMaxArrayElements));
  }
  const uint64_t element_bytes = kValueBytes[array->element_type];
  ROTOR_TRY(reader_.expect(field, array->count, element_bytes));
  if (array->element_type == kString) {
    ROTOR_TRY(string_elements(field, *array));
  } else {
    const uint64_t begin = reader_.offset();
    array->bytes.resize(static_cast<size_t>(array->count * element_bytes));
    ROTOR_TRY(reader_.bytes(field, array->bytes));
    if (array->element_type == kBool) {
      const auto bad = std::find_if(array->bytes.begin(), array->bytes.end(),
                                    [](std::byte byte) { return byte > std::byte{1}; });
      if (bad != array->bytes.end()) {
        return reader_.error(field, begin + static_cast<uint64_t>(bad - array->bytes.begin()),
                             "expected 0 or 1 for false or true");
      }
    }
  }
  out = std::unique_ptr<const GgufArray>(std::move(array));
  return Status();
}

// The text of all elements together is below kMaxHeaderBytes, so its offsets fit 32 bits.
Status GgufParser::string_elements(std::string_view field, GgufArray& array) {
  GgufStrings& strings = array.strings;
  strings.ends_.reserve(static_cast<size_t>(array.count));
  for (uint64_t i = 0; i < array.count; ++i) {
    ROTOR_ASSIGN(const uint64_t length, reader_.number<uint64_t>(field));
    ROTOR_TRY(reader_.append(field, length, kMaxStringBytes, strings.bytes_));
    strings.ends_.push_back(static_cast<uint32_t>(strings.bytes_.size()));
  }
  return Status();
}

Status GgufParser::alignment() {
  constexpr std::string_view kKey = "general.alignment";
  const GgufEntry* const entry = result_.find_entry(kKey);
  if (entry == nullptr) {
    return Status();
  }
  const auto* const alignment = std::get_if<uint32_t>(&entry->value);
  if (alignment == nullptr) {
    return reader_.error(quote_name(kKey), entry->offset, "expected a value of type u32");
  }
  if (!std::has_single_bit(*alignment) || *alignment < kMinAlignment ||
      *alignment > kMaxAlignment) {
    return reader_.error(quote_name(kKey), entry->offset,
                         fmt::format("expected a power of two from {} to {}, found {}",
                                     kMinAlignment, kMaxAlignment, *alignment));
  }
  alignment_ = *alignment;
  return Status();
}

Status GgufParser::dimensions(std::string_view field, GgufTensor& tensor) {
  const uint64_t start = reader_.offset();
  ROTOR_ASSIGN(tensor.rank, reader_.number<uint32_t>(field));
  if (tensor.rank > kMaxRank) {
    return reader_.error(
        field, start,
        fmt::format("has {} dimensions; at most {} are accepted", tensor.rank, kMaxRank));
  }
  tensor.elements = 1;
  for (uint32_t i = 0; i < tensor.rank; ++i) {
    ROTOR_ASSIGN(tensor.dims[i], reader_.number<uint64_t>(field));
    const auto elements = checked_multiply(tensor.elements, tensor.dims[i]);
    if (!elements || *elements == 0 || *elements >= kMaxElements) {
      return reader_.error(field, reader_.offset() - sizeof(uint64_t),
                           fmt::format("dimension {} is {}: expected 1 or more, and fewer than "
                                       "2^48 elements in all",
                                       i, tensor.dims[i]));
    }
    tensor.elements = *elements;
  }
  return Status();
}

Status GgufParser::tensor() {
  GgufTensor tensor;
  ROTOR_ASSIGN(const uint64_t length, reader_.number<uint64_t>("length of a tensor name"));
  ROTOR_TRY(reader_.append("tensor name", length, kMaxNameBytes, tensor.name));
  const std::string field = "description of tensor " + quote_name(tensor.name);
  ROTOR_TRY(dimensions(field, tensor));
  const uint64_t type_offset = reader_.offset();
  ROTOR_ASSIGN(tensor.type, reader_.number<uint32_t>(field));
  const GgufTypeInfo* const type = gguf_type_info(tensor.type);
  if (type == nullptr) {
    return reader_.error(field, type_offset, fmt::format("unknown tensor type {}", tensor.type));
  }
  if (tensor.dims[0] % type->block_elements != 0) {
    return reader_.error(field, type_offset,
                         fmt::format("rows of {} elements are no whole blocks of {}, which {} asks "
                                     "for",
                                     tensor.dims[0], type->block_elements, type->name));
  }
  ROTOR_ASSIGN(tensor.offset, reader_.number<uint64_t>(field));  // within the data, so far
  result_.tensors_.push_back(std::move(tensor));
  return Status();
}

// Turns offsets within the data into offsets in the file and finds each tensor's span.
Status GgufParser::place_tensors() {
  const uint64_t file_bytes = result_.file_.size();
  // The header has at most kMaxHeaderBytes: no overflow.
  const uint64_t begin = *checked_align_up(reader_.offset(), alignment_);
  for (GgufTensor& tensor : result_.tensors_) {
    const uint64_t relative = tensor.offset;
    const auto offset = checked_add(begin, relative);
    if (relative % alignment_ != 0) {
      return tensor_error(tensor, fmt::format("the offset, counted from the data at {}, is no "
                                              "multiple of the alignment {}",
                                              begin, alignment_));
    }
    if (!offset || *offset >= file_bytes) {
      return tensor_error(tensor, fmt::format("starts past the end of the file: data start at {} "
                                              "and the file ends at {}",
                                              begin, file_bytes));
    }
    tensor.offset = *offset;
    tensor.alignment = alignment_;
  }
  std::vector<GgufTensor>& tensors = result_.tensors_;
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const GgufTensor& a, const GgufTensor& b) { return a.offset < b.offset; });
  if (!tensors.empty() && tensors[0].offset != begin) {
    return tensor_error(tensors[0], fmt::format("is the first, but data start at {}", begin));
  }
  for (size_t i = 0; i < tensors.size(); ++i) {
    const bool last = i + 1 == tensors.size();
    tensors[i].span = (last ? file_bytes : tensors[i + 1].offset) - tensors[i].offset;
    ROTOR_TRY(check_span(tensors[i], last));
  }
  return Status();
}

Status GgufParser::check_span(const GgufTensor& tensor, bool last) const {
  if (tensor.span == 0) {
    return tensor_error(tensor, "another tensor starts at the same offset");
  }
  const GgufTypeInfo& type = *gguf_type_info(tensor.type);
  if (type.block_bytes == 0) {
    return Status();  // only the tensor's reader knows
  }
  // elements < 2^48 and at most 292 bytes a block: no overflow.
  const uint64_t bytes = *gguf_type_bytes(type, tensor.elements);
  if (bytes > tensor.span) {
    return tensor_error(
        tensor, fmt::format("{} elements of {} need {} bytes, but {} at {}", tensor.elements,
                            type.name, bytes, last ? "the file ends" : "the next tensor starts",
                            tensor.offset + tensor.span));
  }
  if (!last && *checked_align_up(bytes, alignment_) != tensor.span) {
    return tensor_error(tensor, fmt::format("has {} bytes, but the next tensor starts {} bytes "
                                            "later: bytes in between belong to no tensor",
                                            bytes, tensor.span));
  }
  return Status();
}

Status GgufParser::index_keys() {
  const GgufEntry* twice;
  result_.keys_by_name_ = sorted_by(result_.metadata_, &GgufEntry::key, twice);
  return twice == nullptr ? Status()
                          : reader_.error("value of " + quote_name(twice->key), twice->offset,
                                          "the key occurs twice");
}

Result<GgufFile> GgufFile::parse(File file) try {
  GgufFile result;
  result.file_ = std::move(file);
  GgufParser parser(result);
  ROTOR_TRY(parser.parse());
  return result;
} catch (const std::bad_alloc&) {
  return out_of_memory("no memory for the metadata of a GGUF file");
}

}  // namespace rotor
