// SPDX-License-Identifier: Apache-2.0
// The header is written first with a placeholder for each checksum; the checksums, always 64
// digits, are put in their places as the tensors end.
#include "io/safetensors_writer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <simdjson.h>

#include <array>
#include <cstring>
#include <new>
#include <optional>
#include <set>
#include <utility>

#include "io/checked.h"
#include "io/quote_name.h"

namespace rotor {
namespace {

constexpr uint64_t kAlignment = 64;
constexpr size_t kDigestDigits = 64;
constexpr std::string_view kPadPrefix = "rotor.pad.";
constexpr std::string_view kHashPrefix = "sha256.";

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// The text between the quotes of a JSON string. In text that is no UTF-8, such as a file's name,
// each byte above 127 becomes the replacement character.
std::string json_escaped(std::string_view text) {
  const bool is_utf8 = simdjson::validate_utf8(text);
  std::string escaped;
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      escaped += '\\';
      escaped += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      escaped += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else if (static_cast<unsigned char>(c) > 127 && !is_utf8) {
      escaped += "\\ufffd";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

// Bytes of a tensor, or nullopt when they do not fit or end within a byte.
std::optional<uint64_t> byte_size(const SafetensorsWriter::Tensor& tensor) {
  std::optional<uint64_t> bits = dtype_bits(tensor.dtype);
  for (const uint64_t dimension : tensor.shape) {
    bits = bits ? checked_multiply(*bits, dimension) : bits;
  }
  return bits && *bits % 8 == 0 ? std::optional<uint64_t>(*bits / 8) : std::nullopt;
}

}  // namespace

// Offsets count from the end of the header here; create() shifts them once that is known.
Status SafetensorsWriter::plan(std::vector<Tensor> tensors) {
  std::set<std::string> names;
  uint64_t end = 0;
  for (Tensor& tensor : tensors) {
    if (tensor.name.starts_with(kPadPrefix) || !names.insert(tensor.name).second) {
      return invalid_argument(fmt::format("cannot write tensor {}: the name is {}",
                                          quote_name(tensor.name),
                                          names.contains(tensor.name) ? "used twice" : "reserved"));
    }
    const auto bytes = byte_size(tensor);
    const auto aligned = checked_align_up(end, kind_ == Kind::kRotor ? kAlignment : 1);
    const auto next = bytes && aligned ? checked_add(*aligned, *bytes) : std::nullopt;
    if (!next || *next > INT64_MAX / 2) {
      return invalid_argument(fmt::format("cannot write tensor {}: {} of shape [{}] is too large",
                                          quote_name(tensor.name), dtype_name(tensor.dtype),
                                          fmt::join(tensor.shape, ", ")));
    }
    if (*aligned != end) {
      const uint64_t pad = *aligned - end;
      planned_.push_back(
          {{fmt::format("{}{}", kPadPrefix, planned_.size()), DType::kU8, {pad}}, end, pad});
    }
    planned_.push_back({std::move(tensor), *aligned, *bytes});
    end = *next;
  }
  return Status();
}

Result<std::string> SafetensorsWriter::header(const std::map<std::string, std::string>& metadata) {
  std::map<std::string, std::string> entries = metadata;
  for (const auto& [key, value] : metadata) {
    if (key.starts_with(kHashPrefix)) {
      return invalid_argument(fmt::format("metadata key {} is reserved", quote_name(key)));
    }
  }
  for (const Planned& planned : planned_) {
    if (kind_ == Kind::kRotor && !planned.tensor.name.starts_with(kPadPrefix)) {
      entries[std::string(kHashPrefix) + planned.tensor.name] = std::string(kDigestDigits, '0');
    }
  }
  std::string text(sizeof(uint64_t), '\0');  // the length, filled in below
  text += R"({"__metadata__":{)";
  for (const auto& [key, value] : entries) {
    const std::string escaped = json_escaped(value);
    text += fmt::format(R"("{}":")", json_escaped(key));
    values_[key] = {text.size(), escaped.size()};
    text += escaped + "\",";
  }
  if (!entries.empty()) {
    text.pop_back();
  }
  text += '}';
  for (const Planned& planned : planned_) {
    text += fmt::format(R"(,"{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                        json_escaped(planned.tensor.name), dtype_name(planned.tensor.dtype),
                        fmt::join(planned.tensor.shape, ","), planned.offset,
                        planned.offset + planned.bytes);
  }
  text += '}';
  text.resize(static_cast<size_t>(*checked_align_up(text.size(), kAlignment)), ' ');
  const uint64_t length = text.size() - sizeof(uint64_t);
  std::memcpy(text.data(), &length, sizeof(length));
  return text;
}

Result<SafetensorsWriter> SafetensorsWriter::create(
    const std::string& path, std::vector<Tensor> tensors,
    const std::map<std::string, std::string>& metadata, Kind kind) try {
  SafetensorsWriter writer;
  writer.kind_ = kind;
  ROTOR_TRY(writer.plan(std::move(tensors)).with_context(path));
  ROTOR_ASSIGN(const std::string header, writer.header(metadata));
  for (Planned& planned : writer.planned_) {
    planned.offset += header.size();
  }
  ROTOR_ASSIGN(writer.file_, AtomicFile::create(path));
  ROTOR_TRY(writer.file_.write(bytes_of(header)));
  return writer;
} catch (const std::bad_alloc&) {
  return out_of_memory(path + ": no memory for the header");
}

uint64_t SafetensorsWriter::file_bytes() const {
  return planned_.empty() ? file_.size() : planned_.back().offset + planned_.back().bytes;
}

// Ends the current tensor: fills a padding tensor, or puts the checksum in its place.
Status SafetensorsWriter::finish_tensor() {
  const Planned& planned = planned_[current_];
  if (planned.tensor.name.starts_with(kPadPrefix)) {
    const std::array<std::byte, kAlignment> zeros{};
    ROTOR_TRY(file_.write(std::span(zeros).first(static_cast<size_t>(planned.bytes))));
  } else if (written_ == planned.bytes) {
    if (kind_ == Kind::kRotor) {
      ROTOR_TRY(set_metadata(std::string(kHashPrefix) + planned.tensor.name, hash_.hex()));
    }
  } else {
    return internal_error(fmt::format("tensor {} has {} of its {} bytes",
                                      quote_name(planned.tensor.name), written_, planned.bytes));
  }
  hash_ = Sha256();
  written_ = 0;
  ++current_;
  return Status();
}

Status SafetensorsWriter::write(std::string_view tensor, std::span<const std::byte> bytes) {
  while (current_ < planned_.size() && planned_[current_].tensor.name != tensor) {
    ROTOR_TRY(finish_tensor());
  }
  if (current_ == planned_.size() || bytes.size() > planned_[current_].bytes - written_) {
    return internal_error(fmt::format("writing {} bytes of tensor {} out of turn or past its end",
                                      bytes.size(), quote_name(tensor)));
  }
  if (kind_ == Kind::kRotor) {
    hash_.update(bytes);
  }
  written_ += bytes.size();
  return file_.write(bytes);
}

Status SafetensorsWriter::set_metadata(std::string_view key, std::string_view value) {
  const std::string escaped = json_escaped(value);
  const auto found = values_.find(key);
  if (found == values_.end() || found->second.bytes != escaped.size()) {
    return internal_error(
        fmt::format("metadata {} has no room for {} bytes", quote_name(key), escaped.size()));
  }
  return file_.write_at(found->second.offset, bytes_of(escaped));
}

Status SafetensorsWriter::commit() {
  while (current_ < planned_.size()) {
    ROTOR_TRY(finish_tensor());
  }
  return file_.commit();
}

}  // namespace rotor
