// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_files.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

namespace rotor {
namespace {

// Read beside the weights by Rotor, or by transformers from the same cache.
constexpr std::array<std::string_view, 11> kFolderFiles = {
    "config.json",          "generation_config.json", "tokenizer_config.json",
    "tokenizer.json",       "tokenizer.model",        "special_tokens_map.json",
    "added_tokens.json",    "vocab.json",             "merges.txt",
    "chat_template.jinja",  "chat_template.json"};
constexpr std::array<std::string_view, 3> kTokenizers = {"tokenizer.json", "tokenizer.model",
                                                         "vocab.json"};
// Of the same trits: exact scales first, then what reads fewer bytes.
constexpr std::array<std::string_view, 7> kTernaryTypes = {"i2_s", "tq2_0", "tq1_0",   "q2_0",
                                                           "pq2_0", "ptq1_0", "q2_0_g64"};
constexpr std::array<std::string_view, 7> kPickles = {".bin", ".pt",     ".pth", ".ckpt",
                                                      ".pkl", ".pickle", ".msgpack"};
// A low-rank adapter, as PEFT writes it: a folder without a model.
constexpr std::array<std::string_view, 2> kAdapterFiles = {"adapter_config.json",
                                                           "adapter_model.safetensors"};
constexpr size_t kMaxListed = 20;

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

bool is_gguf(std::string_view file) { return lower(file).ends_with(".gguf"); }
bool is_rotor(std::string_view file) { return file.ends_with(".rotor"); }
bool is_safetensors(std::string_view file) { return file.ends_with(".safetensors"); }

std::string_view name_of(std::string_view file) { return file.substr(file.rfind('/') + 1); }
std::string folder_of(std::string_view file) {  // with its slash; empty for the root
  return std::string(file.substr(0, file.rfind('/') + 1));
}

// A file "<stem>-00002-of-00005<ending>" of a set.
struct Part {
  std::string stem;
  std::string ending;
  unsigned number;  // from 1
  unsigned count;
};

std::optional<unsigned> five_digits(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = text.size() == 5 && error == std::errc() && end == text.data() + 5;
  return whole ? std::optional(value) : std::nullopt;
}

std::optional<Part> part_of(std::string_view file) {
  const size_t of = file.rfind("-of-");
  if (of == file.npos || of < 6 || file[of - 6] != '-' || file.size() < of + 9) {
    return std::nullopt;
  }
  const auto number = five_digits(file.substr(of - 5, 5));
  const auto count = five_digits(file.substr(of + 4, 5));
  if (!number || !count || *number < 1 || *number > *count) {
    return std::nullopt;
  }
  return Part{std::string(file.substr(0, of - 6)), std::string(file.substr(of + 9)), *number,
              *count};
}

// The name of another part of the same set.
std::string part_name(const Part& part, unsigned number) {
  const auto five = [](unsigned value) {
    const std::string digits = std::to_string(value);
    return std::string(5 - digits.size(), '0') + digits;
  };
  return part.stem + "-" + five(number) + "-of-" + five(part.count) + part.ending;
}

// REQUIRES: sorted, as all files are below the two functions that others call.
bool contains(std::span<const std::string> files, std::string_view file) {
  return std::binary_search(files.begin(), files.end(), file);
}

std::vector<std::string> sorted(std::span<const std::string> files) {
  std::vector<std::string> out(files.begin(), files.end());
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::string listed(std::span<const std::string> files) {
  std::string out;
  for (size_t i = 0; i < std::min(files.size(), kMaxListed); ++i) {
    out += "\n  :" + files[i];
  }
  return out + (files.size() > kMaxListed ? "\n  ..." : "");
}

Status nothing_to_open(std::span<const std::string> files) {
  const bool pickles = std::any_of(files.begin(), files.end(), [](const std::string& file) {
    return file.ends_with(".bin") || file.ends_with(".pt");
  });
  return not_found(pickles ? "the repository has weights only as pickles (.bin, .pt), which can run "
                             "code; rotor reads safetensors, GGUF and .rotor"
                           : "the repository holds no model that rotor reads: no config.json with "
                             "safetensors, no .gguf, no .rotor");
}

// The file, or all parts of its set.
Result<HubFileChoice> whole_file(std::span<const std::string> files, const std::string& file) {
  const std::optional<Part> part = part_of(file);
  if (!part) {
    return HubFileChoice{{file}, file};
  }
  HubFileChoice choice{{}, part_name(*part, 1)};
  for (unsigned number = 1; number <= part->count; ++number) {
    const std::string name = part_name(*part, number);
    if (!contains(files, name)) {
      return not_found("'" + name + "' is missing: " + std::to_string(part->count) +
                       " parts make this model");
    }
    choice.files.push_back(name);
  }
  return choice;
}

// The weights of a folder, in the order in which they are looked for when it is opened; empty: none.
Result<std::vector<std::string>> folder_weights(std::span<const std::string> files,
                                                const std::string& folder) {
  const std::string single = folder + "model.safetensors";
  const std::string index = folder + "model.safetensors.index.json";
  if (contains(files, single)) {
    return std::vector<std::string>{single};
  }
  if (!contains(files, index)) {
    return std::vector<std::string>();
  }
  std::vector<std::string> weights = {index};
  for (const std::string& file : files) {
    const std::optional<Part> part = part_of(file);
    if (folder_of(file) != folder || !is_safetensors(file) || !part || part->number != 1) {
      continue;
    }
    ROTOR_ASSIGN(const HubFileChoice set, whole_file(files, file));
    weights.insert(weights.end(), set.files.begin(), set.files.end());
  }
  return weights.size() > 1 ? weights : std::vector<std::string>();
}

std::optional<HubFileChoice> adapter_folder(std::span<const std::string> files,
                                            const std::string& folder, std::string path) {
  HubFileChoice choice{{}, std::move(path)};
  for (const std::string_view name : kAdapterFiles) {
    choice.files.push_back(folder + std::string(name));
    if (!contains(files, choice.files.back())) {
      return std::nullopt;
    }
  }
  return choice;
}

// `folder` with its slash, or empty for the root; nullopt when neither a model nor an adapter lies there.
Result<std::optional<HubFileChoice>> whole_folder(std::span<const std::string> files,
                                                  const std::string& folder) {
  const std::string path = folder.substr(0, folder.size() - (folder.empty() ? 0 : 1));
  ROTOR_ASSIGN(const std::vector<std::string> weights, folder_weights(files, folder));
  if (weights.empty() || !contains(files, folder + "config.json")) {
    return adapter_folder(files, folder, path);
  }
  HubFileChoice choice;
  choice.model = path;
  choice.has_tokenizer = false;
  for (const std::string_view name : kFolderFiles) {
    if (contains(files, folder + std::string(name))) {
      choice.files.push_back(folder + std::string(name));
      choice.has_tokenizer = choice.has_tokenizer || std::find(kTokenizers.begin(), kTokenizers.end(),
                                                               name) != kTokenizers.end();
    }
  }
  choice.files.insert(choice.files.end(), weights.begin(), weights.end());
  return std::optional(choice);
}

// Whether a quantisation stands in the name by itself: "Q2_0" in "model-Q2_0.gguf", not in
// "model-PQ2_0.gguf" or "model-Q2_0_g64.gguf".
bool names_type(std::string_view file, std::string_view type) {
  const std::string name = lower(name_of(file));
  const std::string wanted = lower(type);
  for (size_t at = name.find(wanted); at != name.npos; at = name.find(wanted, at + 1)) {
    const char before = at == 0 ? '-' : name[at - 1];
    const char after = at + wanted.size() < name.size() ? name[at + wanted.size()] : '.';
    if ((before == '-' || before == '.' || before == '_') && (after == '-' || after == '.')) {
      return true;
    }
  }
  return false;
}

// GGUF and .rotor files that are models of their own: of a set the first, no vision projectors.
std::vector<std::string> single_files(std::span<const std::string> files) {
  std::vector<std::string> out;
  for (const std::string& file : files) {
    const std::optional<Part> part = part_of(file);
    if ((is_gguf(file) || is_rotor(file)) && (!part || part->number == 1) &&
        name_of(file).find("mmproj") == std::string_view::npos) {
      out.push_back(file);
    }
  }
  return out;
}

std::vector<std::string> of_type(const std::vector<std::string>& files, std::string_view type) {
  std::vector<std::string> out;
  std::copy_if(files.begin(), files.end(), std::back_inserter(out),
               [&](const std::string& file) { return names_type(file, type); });
  return out;
}

// A safetensors file that was asked for is opened with the texts beside it.
Result<HubFileChoice> safetensors_file(std::span<const std::string> files, const std::string& file) {
  HubFileChoice choice;
  for (const std::string_view name : kFolderFiles) {
    const std::string beside = folder_of(file) + std::string(name);
    if (contains(files, beside)) {
      choice.files.push_back(beside);
    }
  }
  choice.files.push_back(file);
  choice.model = file;
  return choice;
}

Result<HubFileChoice> choose_wanted(std::span<const std::string> files, const std::string& wanted) {
  const bool pickle =
      std::any_of(kPickles.begin(), kPickles.end(),
                  [&](std::string_view ending) { return wanted.ends_with(ending); });
  if (pickle) {
    return unsupported("'" + wanted + "' is a pickle or of a kind that rotor never reads: it can "
                       "run code");
  }
  if (contains(files, wanted)) {
    return is_safetensors(wanted) && !part_of(wanted) ? safetensors_file(files, wanted)
                                                      : whole_file(files, wanted);
  }
  ROTOR_ASSIGN(const std::optional<HubFileChoice> folder, whole_folder(files, wanted + "/"));
  if (folder) {
    return *folder;
  }
  const std::vector<std::string> models = single_files(files);
  const std::vector<std::string> fitting = of_type(models, wanted);
  if (fitting.size() == 1) {
    return whole_file(files, fitting.front());
  }
  if (fitting.size() > 1) {
    return invalid_argument("several files are of type " + wanted + "; name one:" + listed(fitting));
  }
  return not_found("the repository has no file, folder or type '" + wanted + "'" +
                   (models.empty() ? "" : "; it has:" + listed(models)));
}

}  // namespace

Result<HubFileChoice> choose_hub_files(std::span<const std::string> all,
                                       const std::string& wanted) {
  const std::vector<std::string> files = sorted(all);
  if (!wanted.empty()) {
    return choose_wanted(files, wanted);
  }
  const std::vector<std::string> models = single_files(files);
  const auto rotor_files = std::count_if(models.begin(), models.end(), is_rotor);
  if (rotor_files == 1) {
    return whole_file(files, *std::find_if(models.begin(), models.end(), is_rotor));
  }
  ROTOR_ASSIGN(const std::optional<HubFileChoice> folder, whole_folder(files, ""));
  if (folder) {
    return *folder;
  }
  if (models.size() == 1) {
    return whole_file(files, models.front());
  }
  for (const std::string_view type : kTernaryTypes) {
    const std::vector<std::string> fitting = of_type(models, type);
    if (fitting.size() == 1) {
      return whole_file(files, fitting.front());
    }
    if (fitting.size() > 1) {
      break;
    }
  }
  if (models.empty()) {
    return nothing_to_open(files);
  }
  return invalid_argument("the repository holds several models; name one:" + listed(models));
}

std::vector<std::string> hub_models_among(std::span<const std::string> all) {
  const std::vector<std::string> files = sorted(all);
  std::vector<std::string> out;
  const Result<std::optional<HubFileChoice>> root = whole_folder(files, "");
  if (root.ok() && root->has_value()) {
    out.emplace_back();
  }
  for (const std::string& file : single_files(files)) {
    if (whole_file(files, file).ok()) {
      out.push_back(file);
    }
  }
  return out;
}

}  // namespace rotor
