// SPDX-License-Identifier: Apache-2.0
// Offsets of tensors follow from their sizes, so the header is final but for texts of known length.
#include "io/gguf_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <optional>
#include <set>
#include <type_traits>
#include <utility>

#include "io/checked.h"
#include "io/gguf_types.h"
#include "io/quote_name.h"

namespace rotor {
namespace {

constexpr uint32_t kVersion = 3;
constexpr uint64_t kAlignment = 32;  // what a file without general.alignment has
// What readers take: docs/formats/gguf.md.
constexpr size_t kMaxHeaderBytes = 100'000'000;
constexpr size_t kMaxKeyBytes = 65'535;
constexpr size_t kMaxNameBytes = 63;
constexpr size_t kMaxStringBytes = size_t{1} << 20;

template <typename T>
void put(std::string& out, T value) {
  static_assert(std::is_trivially_copyable_v<T>);
  const size_t at = out.size();
  out.resize(at + sizeof(T));
  std::memcpy(out.data() + at, &value, sizeof(T));
}

void put_text(std::string& out, std::string_view text) {
  put(out, uint64_t{text.size()});
  out += text;
}

template <typename T>
void put_array(std::string& out, uint32_t type_id, const std::vector<T>& values) {
  put(out, type_id);
  put(out, uint64_t{values.size()});
  for (const T value : values) {
    put(out, value);
  }
}

// The id of a value's type and the value.
void put_value(std::string& out, const GgufWriter::Value& value) {
  constexpr std::array<uint32_t, 9> kTypeIds = {4, 5, 6, 7, 8, 9, 9, 9, 9};
  constexpr uint32_t kStringId = 8;
  constexpr uint32_t kInt32Id = 5;
  constexpr uint32_t kFloat32Id = 6;
  constexpr uint32_t kBoolId = 7;
  put(out, kTypeIds[value.index()]);
  if (const auto* text = std::get_if<std::string>(&value)) {
    put_text(out, *text);
  } else if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
    put(out, kStringId);
    put(out, uint64_t{texts->size()});
    for (const std::string& item : *texts) {
      put_text(out, item);
    }
  } else if (const auto* numbers = std::get_if<std::vector<int32_t>>(&value)) {
    put_array(out, kInt32Id, *numbers);
  } else if (const auto* reals = std::get_if<std::vector<float>>(&value)) {
    put_array(out, kFloat32Id, *reals);
  } else if (const auto* flags = std::get_if<std::vector<bool>>(&value)) {
    put_array(out, kBoolId, std::vector<uint8_t>(flags->begin(), flags->end()));
  } else if (const auto* flag = std::get_if<bool>(&value)) {
    put(out, uint8_t{*flag});
  } else if (const auto* real = std::get_if<float>(&value)) {
    put(out, *real);
  } else if (const auto* number = std::get_if<int32_t>(&value)) {
    put(out, *number);
  } else {
    put(out, std::get<uint32_t>(value));
  }
}

Status check_entry(const GgufWriter::Entry& entry) {
  if (entry.key.empty() || entry.key.size() > kMaxKeyBytes) {
    return invalid_argument(fmt::format("cannot write key {}: it has {} bytes, of 1 to {}",
                                        quote_name(entry.key), entry.key.size(), kMaxKeyBytes));
  }
  size_t longest = 0;
  if (const auto* text = std::get_if<std::string>(&entry.value)) {
    longest = text->size();
  } else if (const auto* texts = std::get_if<std::vector<std::string>>(&entry.value)) {
    for (const std::string& item : *texts) {
      longest = std::max(longest, item.size());
    }
  }
  if (longest > kMaxStringBytes) {
    return invalid_argument(fmt::format("cannot write key {}: a text of {} bytes, of at most {}",
                                        quote_name(entry.key), longest, kMaxStringBytes));
  }
  return Status();
}

Status check_tensor(const GgufWriter::Tensor& tensor) {
  std::optional<uint64_t> elements = 1;
  for (const uint64_t dimension : tensor.dims) {
    elements = elements ? checked_multiply(*elements, dimension) : elements;
  }
  const GgufTypeInfo* const type = gguf_type_info(tensor.type);
  const std::optional<uint64_t> bytes =
      elements && type != nullptr ? gguf_type_bytes(*type, *elements) : std::nullopt;
  if (tensor.name.empty() || tensor.name.size() > kMaxNameBytes || tensor.dims.empty() ||
      tensor.dims.size() > 4 || !elements || tensor.bytes > INT64_MAX / 2 ||
      (bytes && *bytes != tensor.bytes)) {
    return invalid_argument(fmt::format("cannot write tensor {}: {} bytes of {} in {} dimensions",
                                        quote_name(tensor.name), tensor.bytes,
                                        gguf_type_name(tensor.type), tensor.dims.size()));
  }
  return Status();
}

}  // namespace

Result<std::string> GgufWriter::header(const std::vector<Entry>& metadata) {
  std::string out = "GGUF";
  put(out, kVersion);
  put(out, uint64_t{tensors_.size()});
  put(out, uint64_t{metadata.size()});
  std::set<std::string_view> keys;
  for (const Entry& entry : metadata) {
    ROTOR_TRY(check_entry(entry));
    if (!keys.insert(entry.key).second) {
      return invalid_argument(fmt::format("cannot write key {} twice", quote_name(entry.key)));
    }
    put_text(out, entry.key);
    put_value(out, entry.value);
    if (const auto* text = std::get_if<std::string>(&entry.value)) {
      texts_[entry.key] = {out.size() - text->size(), text->size()};
    }
  }
  std::set<std::string_view> names;
  uint64_t end = 0;
  for (const Tensor& tensor : tensors_) {
    ROTOR_TRY(check_tensor(tensor));
    if (!names.insert(tensor.name).second) {
      return invalid_argument(fmt::format("cannot write tensor {} twice", quote_name(tensor.name)));
    }
    put_text(out, tensor.name);
    put(out, static_cast<uint32_t>(tensor.dims.size()));
    for (const uint64_t dimension : tensor.dims) {
      put(out, dimension);
    }
    put(out, tensor.type);
    put(out, end);
    offsets_.push_back(end);
    const auto next = checked_add(end, tensor.bytes);
    const auto aligned = next ? checked_align_up(*next, kAlignment) : std::nullopt;
    if (!aligned || *aligned > INT64_MAX / 2) {
      return invalid_argument(fmt::format("cannot write tensor {}: the file would be too large",
                                          quote_name(tensor.name)));
    }
    end = *aligned;
  }
  out.resize(static_cast<size_t>(*checked_align_up(out.size(), kAlignment)), '\0');
  if (out.size() > kMaxHeaderBytes) {
    return invalid_argument(fmt::format("metadata of {} bytes, readers take at most {}", out.size(),
                                        kMaxHeaderBytes));
  }
  for (uint64_t& offset : offsets_) {
    offset += out.size();
  }
  return out;
}

Result<GgufWriter> GgufWriter::create(const std::string& path, const std::vector<Entry>& metadata,
                                      std::vector<Tensor> tensors) try {
  GgufWriter writer;
  writer.tensors_ = std::move(tensors);
  Result<std::string> header = writer.header(metadata);
  if (!header.ok()) {
    return Status(header.status()).with_context(path);
  }
  ROTOR_ASSIGN(writer.file_, AtomicFile::create(path));
  ROTOR_TRY(writer.file_.write(std::as_bytes(std::span(*header))));
  return writer;
} catch (const std::bad_alloc&) {
  return out_of_memory(path + ": no memory for the metadata");
}

uint64_t GgufWriter::file_bytes() const {
  return tensors_.empty() ? file_.size()
                          : *checked_align_up(offsets_.back() + tensors_.back().bytes, kAlignment);
}

// Fills up to where the next tensor begins.
Status GgufWriter::finish_tensor() {
  const Tensor& tensor = tensors_[current_];
  if (written_ != tensor.bytes) {
    return internal_error(fmt::format("tensor {} has {} of its {} bytes", quote_name(tensor.name),
                                      written_, tensor.bytes));
  }
  const std::array<std::byte, kAlignment> zeros{};
  const uint64_t end = offsets_[current_] + tensor.bytes;
  ROTOR_TRY(file_.write(
      std::span(zeros).first(static_cast<size_t>(*checked_align_up(end, kAlignment) - end))));
  written_ = 0;
  ++current_;
  return Status();
}

Status GgufWriter::write(std::string_view tensor, std::span<const std::byte> bytes) {
  while (current_ < tensors_.size() && tensors_[current_].name != tensor) {
    ROTOR_TRY(finish_tensor());
  }
  if (current_ == tensors_.size() || bytes.size() > tensors_[current_].bytes - written_) {
    return internal_error(fmt::format("writing {} bytes of tensor {} out of turn or past its end",
                                      bytes.size(), quote_name(tensor)));
  }
  written_ += bytes.size();
  return file_.write(bytes);
}

Status GgufWriter::set_text(std::string_view key, std::string_view value) {
  const auto found = texts_.find(key);
  if (found == texts_.end() || found->second.bytes != value.size()) {
    return internal_error(
        fmt::format("metadata {} has no room for {} bytes", quote_name(key), value.size()));
  }
  return file_.write_at(found->second.offset, std::as_bytes(std::span(value)));
}

Status GgufWriter::finish() {
  while (current_ < tensors_.size()) {
    ROTOR_TRY(finish_tensor());
  }
  return Status();
}

}  // namespace rotor
