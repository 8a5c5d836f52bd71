// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_model.h"

#include <filesystem>

#include "hub/hub_aliases.h"
#include "hub/hub_cache.h"
#include "hub/hub_inventory.h"

namespace rotor {
namespace {

namespace fs = std::filesystem;

// The path that a name without hf:// in front would have as a file lies in a folder that exists.
bool lies_in_a_folder(const std::string& given) {
  const size_t slash = given.find('/');
  std::error_code error;
  return given.find(':') > slash && fs::is_directory(given.substr(0, slash), error);
}

std::string offline_advice(const HubName& name, const HubSettings& settings) {
  std::string revisions;
  const HubCache cache(settings.cache);
  for (const std::string& commit : cache.commits(name.repo)) {
    revisions += " " + commit;
  }
  return revisions.empty() ? "; it is not in the cache " + settings.cache
                           : "; the cache has other revisions or parts of it:" + revisions;
}

}  // namespace

bool means_hub_model(const std::string& given) {
  std::error_code error;
  if (given.starts_with("synthetic:") || fs::exists(given, error)) {
    return false;
  }
  return find_hub_alias(given) != nullptr || (is_hub_name(given) && !lies_in_a_folder(given));
}

Result<HubName> hub_name_of(const std::string& given, const HubSettings& settings) {
  const HubAlias* alias = find_hub_alias(given);
  return parse_hub_name(alias == nullptr ? std::string_view(given) : alias->name, settings.endpoint);
}

Result<PulledModel> pull_hub_model(const HubName& name, const HubSettings& settings,
                                   const PullOptions& options) {
  Result<PulledModel> pulled = pull_model(name, settings, options);
  if (!pulled.ok() && pulled.status().code() == Code::kNetworkError) {
    return Status(Code::kNetworkError,
                  pulled.status().message() + offline_advice(name, settings));
  }
  return pulled;
}

Result<std::string> hub_model_path(const HubName& name, const HubSettings& settings,
                                   const PullOptions& options) {
  if (const auto cached = find_cached_model(HubCache(settings.cache), name, settings.offline)) {
    return cached->path;
  }
  ROTOR_ASSIGN(const PulledModel pulled, pull_hub_model(name, settings, options));
  return pulled.path;
}

}  // namespace rotor
