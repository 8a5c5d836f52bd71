// SPDX-License-Identifier: Apache-2.0
// The index file is as untrusted as the tensors: a shard is a plain name inside the folder, and
// every tensor must be where the index says, and nowhere else.
#include "io/safetensors_set.h"

#include <fmt/format.h>

#include <filesystem>
#include <new>
#include <set>
#include <utility>

#include "base/json.h"
#include "io/quote_name.h"

namespace rotor {
namespace {

constexpr uint64_t kMaxIndexBytes = 100'000'000;
constexpr size_t kMaxShards = 4096;  // each is an open file
constexpr size_t kMaxNameBytes = 255;

bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

using WeightMap = std::map<std::string, std::string>;  // tensor -> shard

Result<WeightMap> read_weight_map(const std::string& path) {
  ROTOR_ASSIGN(const std::string text, read_text_file(path, kMaxIndexBytes));
  ROTOR_ASSIGN(const JsonDocument document, JsonDocument::parse(text, path));
  const auto member = json_member(document.root(), "weight_map");
  JsonObject object;
  if (!member || member->get(object) != simdjson::SUCCESS) {
    return format_error(path + ": has no object \"weight_map\"");
  }
  WeightMap map;
  for (const auto& [tensor, value] : object) {
    std::string_view shard;
    if (value.get(shard) != simdjson::SUCCESS || !is_plain_name(shard)) {
      return format_error(
          fmt::format("{}: tensor {}: expected the name of a file in the same folder, got {}", path,
                      quote_name(tensor),
                      value.is_string() ? quote_name(shard) : "something else than a string"));
    }
    if (!map.emplace(tensor, shard).second) {
      return format_error(fmt::format("{}: tensor {} occurs twice", path, quote_name(tensor)));
    }
  }
  return map;
}

// Every tensor of the file is one the index places there.
Status check_shard(const std::string& index, const WeightMap& map, const std::string& shard,
                   const SafetensorsFile& file) {
  for (const SafetensorsTensor& tensor : file.tensors()) {
    const auto place = map.find(tensor.name);
    if (place == map.end() || place->second != shard) {
      return format_error(fmt::format(
          "{}: tensor {} is in {}, but the index {}", index, quote_name(tensor.name),
          quote_name(shard),
          place == map.end() ? "does not name it" : "places it in " + quote_name(place->second)));
    }
  }
  return Status();
}

}  // namespace

Result<SafetensorsSet> SafetensorsSet::open_shards(const std::string& folder,
                                                   const std::string& index) {
  ROTOR_ASSIGN(const WeightMap map, read_weight_map(index));
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : map) {
    shards.insert(shard);
  }
  if (shards.size() > kMaxShards) {
    return format_error(fmt::format("{}: names {} files; at most {} are accepted", index,
                                    shards.size(), kMaxShards));
  }
  SafetensorsSet set;
  for (const std::string& shard : shards) {
    auto file = SafetensorsFile::open(folder + "/" + shard);
    if (!file.ok()) {
      return Status(file.status()).with_context(index + " names it");
    }
    ROTOR_TRY(check_shard(index, map, shard, *file));
    set.files_.push_back(*std::move(file));
  }
  for (const auto& [tensor, shard] : map) {
    if (!set.find(tensor)) {
      return format_error(fmt::format("{}: places tensor {} in {}, but it is not there", index,
                                      quote_name(tensor), quote_name(shard)));
    }
  }
  return set;
}

Result<SafetensorsSet> SafetensorsSet::open(const std::string& path) try {
  const auto exists = [](const std::string& name) {
    std::error_code ignored;
    return std::filesystem::exists(name, ignored);
  };
  std::error_code ignored;
  const bool is_folder = std::filesystem::is_directory(path, ignored);
  const std::string single = is_folder ? path + "/model.safetensors" : path;
  const std::string index = path + "/model.safetensors.index.json";
  if (is_folder && !exists(single)) {
    if (exists(index)) {
      return open_shards(path, index);
    }
    return not_found(path + ": holds neither model.safetensors nor model.safetensors.index.json");
  }
  ROTOR_ASSIGN(SafetensorsFile file, SafetensorsFile::open(single));
  SafetensorsSet set;
  set.files_.push_back(std::move(file));
  return set;
} catch (const std::bad_alloc&) {
  return out_of_memory(path + ": no memory for the index of its tensors");
}

SafetensorsSet::Entry SafetensorsSet::find(std::string_view name) const {
  for (const SafetensorsFile& file : files_) {
    if (const SafetensorsTensor* tensor = file.find(name)) {
      return {&file, tensor};
    }
  }
  return {};
}

}  // namespace rotor
