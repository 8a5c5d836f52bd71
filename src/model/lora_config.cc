// SPDX-License-Identifier: Apache-2.0
#include "model/lora_config.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/json.h"
#include "io/quote_name.h"

namespace rotor {
namespace {

// What changes the formula where it is more than null, false, "none" or empty.
constexpr const char* kNotComputed[] = {
    "use_dora",          "bias",
    "lora_bias",         "fan_in_fan_out",
    "modules_to_save",   "layer_replication",
    "target_parameters", "trainable_token_indices",
    "use_qalora",        "alora_invocation_tokens",
    "use_bdlora",        "arrow_config",
    "kasa_config",       "monteclora_config"};

// The other values of init_lora_weights change the model's own weights.
constexpr std::string_view kOwnWeightsStay[] = {"gaussian", "eva", "orthogonal"};

// Of an object. A model has at most 1024 layers of 7 matrices.
constexpr size_t kMaxPatterns = 8192;

bool is_plain(JsonValue value) {
  bool flag = false;
  std::string_view text;
  JsonArray array;
  JsonObject object;
  if (value.get(flag) == simdjson::SUCCESS) {
    return !flag;
  }
  if (value.get(text) == simdjson::SUCCESS) {
    return text == "none";
  }
  if (value.get(array) == simdjson::SUCCESS) {
    return array.size() == 0;
  }
  return value.get(object) == simdjson::SUCCESS && object.size() == 0;
}

Status check_formula(JsonValue root, const std::string& name) {
  ROTOR_ASSIGN(const std::optional<std::string> type, json_string(root, "peft_type", name));
  if (type != "LORA") {
    return unsupported(name + ": expected an adapter with peft_type LORA, got " +
                       (type ? quote_name(*type) : "none"));
  }
  for (const char* key : kNotComputed) {
    const std::optional<JsonValue> value = json_member(root, key);
    if (value && !is_plain(*value)) {
      return unsupported(name + ": " + key + " is " + quote_name(simdjson::minify(*value)) +
                         ", which Rotor does not compute");
    }
  }
  std::string_view start;
  const std::optional<JsonValue> init = json_member(root, "init_lora_weights");
  if (init && init->get(start) == simdjson::SUCCESS &&
      std::find(std::begin(kOwnWeightsStay), std::end(kOwnWeightsStay), start) ==
          std::end(kOwnWeightsStay)) {
    return unsupported(name + ": init_lora_weights is " + quote_name(start) +
                       ": the adapter fits changed weights of its model, and trits are not changed; "
                       "PEFT can save it as an ordinary LoRA");
  }
  return {};
}

Result<size_t> rank_from(JsonValue value, const std::string& where) {
  int64_t rank = 0;
  if (value.get(rank) != simdjson::SUCCESS || rank < 1 || rank > static_cast<int64_t>(kMaxLoraRank)) {
    return format_error(where + ": expected a rank of 1 to " + std::to_string(kMaxLoraRank) +
                        ", got " + quote_name(simdjson::minify(value)));
  }
  return static_cast<size_t>(rank);
}

Result<double> alpha_from(JsonValue value, const std::string& where) {
  double alpha = 0.0;
  if (value.get(alpha) != simdjson::SUCCESS) {
    return format_error(where + ": expected a number, got " + quote_name(simdjson::minify(value)));
  }
  return alpha;
}

// PEFT's patterns are regular expressions of the end of a path; taken are names and paths.
bool is_path(std::string_view pattern) {
  return !pattern.empty() && std::all_of(pattern.begin(), pattern.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '.';
  });
}

// The patterns of an object, in the order of the file.
template <typename T, typename Convert>
Status read_patterns(JsonValue root, const char* key, const std::string& name, Convert convert,
                     std::vector<std::pair<std::string, T>>& out) {
  const std::optional<JsonValue> value = json_member(root, key);
  if (!value) {
    return {};
  }
  JsonObject patterns;
  if (value->get(patterns) != simdjson::SUCCESS) {
    return format_error(name + ": " + key + ": expected an object");
  }
  if (patterns.size() > kMaxPatterns) {
    return format_error(name + ": " + key + ": more patterns than any model has matrices");
  }
  for (const auto field : patterns) {
    if (!is_path(field.key)) {
      return unsupported(name + ": " + key + ": " + quote_name(field.key) + " is no name or path");
    }
    ROTOR_ASSIGN(T own, convert(field.value, std::string(key) + ": " + std::string(field.key)));
    out.emplace_back(field.key, own);
  }
  return {};
}

bool ends_with_path(std::string_view path, std::string_view end) {
  return path == end ||
         (path.size() > end.size() && path.ends_with(end) &&
          path[path.size() - end.size() - 1] == '.');
}

template <typename T>
T first_fitting(const std::vector<std::pair<std::string, T>>& patterns, std::string_view path,
                T otherwise) {
  const auto found = std::find_if(patterns.begin(), patterns.end(), [=](const auto& pattern) {
    return ends_with_path(path, pattern.first);
  });
  return found == patterns.end() ? otherwise : found->second;
}

}  // namespace

size_t LoraConfig::rank_of(std::string_view path) const { return first_fitting(ranks, path, rank); }

double LoraConfig::scaling_of(std::string_view path) const {
  const double r = static_cast<double>(rank_of(path));
  return first_fitting(alphas, path, alpha) / (rank_stabilized ? std::sqrt(r) : r);
}

Result<LoraConfig> parse_lora_config(std::string_view json, const std::string& name) {
  ROTOR_ASSIGN(const JsonDocument document, JsonDocument::parse(json, name));
  const JsonValue root = document.root();
  if (!root.is_object()) {
    return format_error(name + ": expected a JSON object");
  }
  ROTOR_TRY(check_formula(root, name));
  LoraConfig config;
  const auto rank = [&](JsonValue value, const std::string& key) {
    return rank_from(value, name + ": " + key);
  };
  const auto alpha = [&](JsonValue value, const std::string& key) {
    return alpha_from(value, name + ": " + key);
  };
  if (const std::optional<JsonValue> value = json_member(root, "r")) {
    ROTOR_ASSIGN(config.rank, rank(*value, "r"));
  }
  if (const std::optional<JsonValue> value = json_member(root, "lora_alpha")) {
    ROTOR_ASSIGN(config.alpha, alpha(*value, "lora_alpha"));
  }
  ROTOR_ASSIGN(const std::optional<bool> stabilized, json_bool(root, "use_rslora", name));
  config.rank_stabilized = stabilized.value_or(false);
  ROTOR_TRY(read_patterns(root, "rank_pattern", name, rank, config.ranks));
  ROTOR_TRY(read_patterns(root, "alpha_pattern", name, alpha, config.alphas));
  return config;
}

}  // namespace rotor
