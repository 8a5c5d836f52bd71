// SPDX-License-Identifier: Apache-2.0
// Lookups in a parsed GGUF file: by name, and with the type the caller expects.
#include "io/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <numeric>
#include <tuple>
#include <type_traits>
#include <utility>

#include "io/gguf_split.h"
#include "io/quote_name.h"

namespace rotor {
namespace {

constexpr uint32_t kString = 8;
constexpr std::string_view kValueNames[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                            "bool", "string", "array", "u64", "i64", "f64"};
static_assert(std::size(kValueNames) == std::variant_size_v<GgufValue>);

std::string type_text(const GgufValue& value) {
  if (const auto* array = std::get_if<std::unique_ptr<const GgufArray>>(&value)) {
    return fmt::format("an array of {} {}", (*array)->count, kValueNames[(*array)->element_type]);
  }
  return std::string(kValueNames[value.index()]);
}

// For a person: a number, a quoted string, "an array of 3 string".
std::string value_text(const GgufValue& value) {
  return std::visit(
      [&](const auto& held) -> std::string {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_arithmetic_v<Held>) {
          return fmt::format("{}", held);
        } else if constexpr (std::is_same_v<Held, std::string>) {
          return quote_name(held);
        } else {
          return type_text(value);
        }
      },
      value);
}

template <typename T>
constexpr bool kIsInteger = std::is_integral_v<T> && !std::is_same_v<T, bool>;

std::optional<int64_t> as_integer(const GgufValue& value) {
  return std::visit(
      [](const auto& held) -> std::optional<int64_t> {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (kIsInteger<Held>) {
          if (std::in_range<int64_t>(held)) {
            return static_cast<int64_t>(held);
          }
        }
        return std::nullopt;
      },
      value);
}

std::optional<double> as_number(const GgufValue& value) {
  if (const auto* single = std::get_if<float>(&value)) {
    return *single;
  }
  if (const auto* number = std::get_if<double>(&value)) {
    return *number;
  }
  const auto integer = as_integer(value);
  return integer ? std::optional<double>(static_cast<double>(*integer)) : std::nullopt;
}

// Appends the elements of a numeric array, stored as Stored, to `out`; false when one does not fit.
template <typename Stored, typename Wanted>
bool convert(const GgufArray& array, std::vector<Wanted>& out) {
  for (uint64_t i = 0; i < array.count; ++i) {
    Stored element;
    std::memcpy(&element, array.bytes.data() + i * sizeof(Stored), sizeof(Stored));
    if constexpr (std::is_same_v<Stored, uint64_t>) {
      if (!std::in_range<int64_t>(element)) {
        return false;
      }
    }
    out.push_back(static_cast<Wanted>(element));
  }
  return true;
}

bool convert_integers(const GgufArray& array, std::vector<int64_t>& out) {
  constexpr uint32_t kBool = 7;
  switch (array.element_type) {
    case 0:
    case kBool:
      return convert<uint8_t>(array, out);
    case 1:
      return convert<int8_t>(array, out);
    case 2:
      return convert<uint16_t>(array, out);
    case 3:
      return convert<int16_t>(array, out);
    case 4:
      return convert<uint32_t>(array, out);
    case 5:
      return convert<int32_t>(array, out);
    case 10:
      return convert<uint64_t>(array, out);
    case 11:
      return convert<int64_t>(array, out);
    default:
      return false;
  }
}

const GgufArray* as_array(const GgufEntry& entry) {
  const auto* array = std::get_if<std::unique_ptr<const GgufArray>>(&entry.value);
  return array == nullptr ? nullptr : array->get();
}

}  // namespace

Result<GgufFile> GgufFile::open(const std::string& path) {
  ROTOR_ASSIGN(File file, File::open(path));
  ROTOR_ASSIGN(GgufFile opened, parse(std::move(file)));
  ROTOR_ASSIGN(const uint32_t parts, gguf_part_count(opened));
  return parts == 1 ? Result<GgufFile>(std::move(opened)) : open_gguf_parts(std::move(opened));
}

std::vector<std::string> GgufFile::replace(std::span<const GgufOverride> overrides) {
  std::vector<std::string> said;
  for (const GgufOverride& override : overrides) {
    GgufEntry entry;
    entry.key = override.key;
    std::visit([&](const auto& value) { entry.value = value; }, override.value);
    const GgufEntry* const stored = find_entry(override.key);
    said.push_back(quote_name(override.key) + " is " + value_text(entry.value) +
                   (stored == nullptr ? "; the file has no such key"
                                      : " in place of the file's " + value_text(stored->value)));
    replacements_.push_back(std::move(entry));
  }
  replacement_read_ = std::make_unique<std::atomic<bool>[]>(replacements_.size());
  return said;
}

std::vector<std::string> GgufFile::unread_replacements() const {
  std::vector<std::string> unread;
  for (size_t i = 0; i < replacements_.size(); ++i) {
    if (!replacement_read_[i]) {
      unread.push_back(replacements_[i].key);
    }
  }
  return unread;
}

const GgufEntry* GgufFile::find_entry(std::string_view key) const {
  const GgufEntry* replacement = nullptr;
  for (size_t i = 0; replacement_read_ != nullptr && i < replacements_.size(); ++i) {
    if (replacements_[i].key == key) {
      replacement = &replacements_[i];
      replacement_read_[i] = true;
    }
  }
  if (replacement != nullptr) {
    return replacement;
  }
  const auto found = std::lower_bound(
      keys_by_name_.begin(), keys_by_name_.end(), key,
      [&](uint32_t index, std::string_view wanted) { return metadata_[index].key < wanted; });
  return found != keys_by_name_.end() && metadata_[*found].key == key ? &metadata_[*found]
                                                                      : nullptr;
}

const GgufValue* GgufFile::find_value(std::string_view key) const {
  const GgufEntry* const entry = find_entry(key);
  return entry == nullptr ? nullptr : &entry->value;
}

const GgufTensor* GgufFile::find_tensor(std::string_view name) const {
  const auto found = std::lower_bound(
      tensors_by_name_.begin(), tensors_by_name_.end(), name,
      [&](uint32_t index, std::string_view wanted) { return tensors_[index].name < wanted; });
  return found != tensors_by_name_.end() && tensors_[*found].name == name ? &tensors_[*found]
                                                                          : nullptr;
}

Status GgufFile::index_tensors() {
  tensors_by_name_.resize(tensors_.size());
  std::iota(tensors_by_name_.begin(), tensors_by_name_.end(), 0u);
  std::sort(tensors_by_name_.begin(), tensors_by_name_.end(), [&](uint32_t a, uint32_t b) {
    return std::tie(tensors_[a].name, a) < std::tie(tensors_[b].name, b);
  });
  const auto same = std::adjacent_find(
      tensors_by_name_.begin(), tensors_by_name_.end(),
      [&](uint32_t a, uint32_t b) { return tensors_[a].name == tensors_[b].name; });
  if (same == tensors_by_name_.end()) {
    return {};
  }
  const GgufTensor& once = tensors_[*same];
  const GgufTensor& twice = tensors_[*(same + 1)];
  return format_error(fmt::format("{}: tensor {} at offset {}: the name occurs twice{}",
                                  file_of(twice).path(), quote_name(twice.name), twice.offset,
                                  once.part == twice.part ? "" : ", also in " + file_of(once).path()));
}

Status GgufFile::mismatch(const GgufEntry& entry, std::string_view expected) const {
  const std::string place =
      entry.offset == 0 ? "which was overridden" : fmt::format("at offset {}", entry.offset);
  return format_error(fmt::format("{}: value of {} {}: expected {}, found {}", file_.path(),
                                  quote_name(entry.key), place, expected, type_text(entry.value)));
}

Result<std::optional<int64_t>> GgufFile::integer(std::string_view key) const {
  const GgufEntry* const entry = find_entry(key);
  if (entry == nullptr) {
    return std::optional<int64_t>();
  }
  const auto value = as_integer(entry->value);
  return value ? Result(value) : mismatch(*entry, "an integer below 2^63");
}

Result<std::optional<double>> GgufFile::number(std::string_view key) const {
  const GgufEntry* const entry = find_entry(key);
  if (entry == nullptr) {
    return std::optional<double>();
  }
  const auto value = as_number(entry->value);
  return value ? Result(value) : mismatch(*entry, "a number");
}

Result<std::optional<bool>> GgufFile::boolean(std::string_view key) const {
  const GgufEntry* const entry = find_entry(key);
  if (entry == nullptr) {
    return std::optional<bool>();
  }
  const auto* const value = std::get_if<bool>(&entry->value);
  return value == nullptr ? mismatch(*entry, "a bool") : Result(std::optional<bool>(*value));
}

Result<std::optional<std::string_view>> GgufFile::string(std::string_view key) const {
  const GgufEntry* const entry = find_entry(key);
  if (entry == nullptr) {
    return std::optional<std::string_view>();
  }
  const auto* const value = std::get_if<std::string>(&entry->value);
  return value == nullptr ? mismatch(*entry, "a string")
                          : Result(std::optional<std::string_view>(*value));
}

Result<const GgufStrings*> GgufFile::strings(std::string_view key) const {
  const GgufEntry* const entry = find_entry(key);
  if (entry == nullptr) {
    return nullptr;
  }
  const GgufArray* const array = as_array(*entry);
  if (array == nullptr || array->element_type != kString) {
    return mismatch(*entry, "an array of strings");
  }
  return &array->strings;
}

Result<std::optional<std::vector<int64_t>>> GgufFile::integers(std::string_view key) const {
  const GgufEntry* const entry = find_entry(key);
  if (entry == nullptr) {
    return std::optional<std::vector<int64_t>>();
  }
  std::vector<int64_t> values;
  const GgufArray* const array = as_array(*entry);
  if (array == nullptr || !convert_integers(*array, values)) {
    return mismatch(*entry, "an array of integers below 2^63");
  }
  return std::optional(std::move(values));
}

Result<std::optional<std::vector<float>>> GgufFile::floats(std::string_view key) const {
  const GgufEntry* const entry = find_entry(key);
  if (entry == nullptr) {
    return std::optional<std::vector<float>>();
  }
  std::vector<float> values;
  const GgufArray* const array = as_array(*entry);
  if (array == nullptr || (array->element_type != 6 && array->element_type != 12)) {
    return mismatch(*entry, "an array of f32 or f64");
  }
  if (array->element_type == 6) {
    convert<float>(*array, values);
  } else {
    convert<double>(*array, values);
  }
  return std::optional(std::move(values));
}

Status GgufFile::read(const GgufTensor& tensor, uint64_t byte_offset,
                      std::span<std::byte> out) const {
  if (out.size() > tensor.span || byte_offset > tensor.span - out.size()) {
    return invalid_argument(fmt::format("{}: tensor {}: {} bytes at {} leave its {}",
                                        file_of(tensor).path(), quote_name(tensor.name), out.size(),
                                        byte_offset, tensor.span));
  }
  return file_of(tensor).read(tensor.offset + byte_offset, out);
}

}  // namespace rotor
