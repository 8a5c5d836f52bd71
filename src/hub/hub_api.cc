// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_api.h"

#include <optional>

#include "base/json.h"
#include "hub/hub_name.h"

namespace rotor {
namespace {

constexpr size_t kMaxFiles = 100'000;

// A file name as it may stand in a message: control characters become '?'.
std::string quoted(std::string name) {
  for (char& c : name) {
    c = static_cast<unsigned char>(c) < ' ' || c == 127 ? '?' : c;
  }
  return "'" + name.substr(0, 200) + "'";
}

}  // namespace

Result<HubModelInfo> parse_model_info(std::string_view json, const std::string& where) {
  ROTOR_ASSIGN(const JsonDocument document, JsonDocument::parse(json, where));
  ROTOR_ASSIGN(const std::optional<std::string> commit,
               json_string(document.root(), "sha", where));
  if (!commit || !is_hub_commit(*commit)) {
    return format_error(where + ": key \"sha\": expected a commit of 40 hexadecimal digits, got " +
                        quoted(commit.value_or("nothing")));
  }
  HubModelInfo info;
  info.commit = *commit;
  const std::optional<JsonValue> siblings = json_member(document.root(), "siblings");
  JsonArray files;
  if (!siblings || siblings->get_array().get(files) != simdjson::SUCCESS) {
    return format_error(where + ": key \"siblings\": expected an array of files");
  }
  for (const JsonValue file : files) {
    ROTOR_ASSIGN(const std::optional<std::string> name, json_string(file, "rfilename", where));
    if (!name || info.files.size() == kMaxFiles) {
      return format_error(where + ": key \"siblings\": expected at most " +
                          std::to_string(kMaxFiles) + " files with a \"rfilename\"");
    }
    if (!is_safe_hub_path(*name)) {
      return format_error(where + ": the repository names a file " + quoted(*name) +
                          ", which would lie outside its folder");
    }
    info.files.push_back(*name);
  }
  return info;
}

}  // namespace rotor
