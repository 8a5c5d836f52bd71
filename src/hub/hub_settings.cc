// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_settings.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string_view>

#include "base/file.h"
#include "hub/hub_name.h"

namespace rotor {
namespace {

constexpr uint64_t kMaxTokenFile = 4096;

std::string value(const EnvironmentLookup& environment, const char* name) {
  const char* text = environment(name);
  return text == nullptr ? std::string() : std::string(text);
}

// As the Python tools read switches.
bool is_true(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text == "1" || text == "true" || text == "yes" || text == "on";
}

std::string expand_home(const std::string& path, const std::string& home) {
  return path == "~" || path.starts_with("~/") ? home + path.substr(1) : path;
}

// Without surrounding white space and line ends. kInvalidArgument for what cannot stand in a header.
Result<std::string> clean_token(std::string_view text, const std::string& source) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == text.npos) {
    return std::string();
  }
  text = text.substr(first, text.find_last_not_of(kSpace) + 1 - first);
  if (std::any_of(text.begin(), text.end(), [](char c) { return c <= ' ' || c > '~'; })) {
    return invalid_argument(source + ": is not a token: it holds spaces or characters that are not "
                            "ASCII");
  }
  return std::string(text);
}

Result<std::string> find_token(const EnvironmentLookup& environment, const std::string& file) {
  if (is_true(value(environment, "HF_HUB_DISABLE_IMPLICIT_TOKEN"))) {
    return std::string();
  }
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    ROTOR_ASSIGN(const std::string token, clean_token(value(environment, name), name));
    if (!token.empty()) {
      return token;
    }
  }
  const Result<std::string> stored = read_text_file(file, kMaxTokenFile);
  return stored.ok() ? clean_token(*stored, file) : std::string();
}

Result<unsigned> seconds(const EnvironmentLookup& environment, const char* name, unsigned normal) {
  const std::string text = value(environment, name);
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || (error == std::errc() && end == text.data() + text.size())) {
    return number == 0 ? normal : std::min(number, 86400u);
  }
  return invalid_argument(std::string(name) + ": expected a number of seconds, got '" + text + "'");
}

}  // namespace

Result<HubSettings> hub_settings(const EnvironmentLookup& environment) {
  HubSettings out;
  const std::string user_home = value(environment, "HOME");
  std::string home = expand_home(value(environment, "HF_HOME"), user_home);
  if (home.empty()) {
    const std::string caches = value(environment, "XDG_CACHE_HOME");
    home = (caches.empty() ? user_home + "/.cache" : expand_home(caches, user_home)) + "/huggingface";
  }
  out.cache = home + "/hub";
  for (const char* name : {"HUGGINGFACE_HUB_CACHE", "HF_HUB_CACHE"}) {  // the newer name wins
    const std::string folder = expand_home(value(environment, name), user_home);
    out.cache = folder.empty() ? out.cache : folder;
  }
  out.endpoint = value(environment, "HF_ENDPOINT");
  if (out.endpoint.empty()) {
    out.endpoint = kHubEndpoint;
  }
  while (out.endpoint.ends_with('/')) {
    out.endpoint.pop_back();
  }
  if (!out.endpoint.starts_with("https://") && !out.endpoint.starts_with("http://")) {
    return invalid_argument("HF_ENDPOINT: expected an address such as https://huggingface.co, got '" +
                            out.endpoint + "'");
  }
  std::string token_file = expand_home(value(environment, "HF_TOKEN_PATH"), user_home);
  ROTOR_ASSIGN(out.token, find_token(environment, token_file.empty() ? home + "/token" : token_file));
  for (const char* name : {"SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"}) {
    out.ca_file = out.ca_file.empty() ? value(environment, name) : out.ca_file;
  }
  ROTOR_ASSIGN(out.metadata_seconds, seconds(environment, "HF_HUB_ETAG_TIMEOUT", 10));
  ROTOR_ASSIGN(out.download_seconds, seconds(environment, "HF_HUB_DOWNLOAD_TIMEOUT", 10));
  out.offline = is_true(value(environment, "HF_HUB_OFFLINE")) ||
                is_true(value(environment, "TRANSFORMERS_OFFLINE"));
  out.symlinks = !is_true(value(environment, "HF_HUB_DISABLE_SYMLINKS"));
  return out;
}

Result<HubSettings> hub_settings() {
  return hub_settings([](const char* name) { return static_cast<const char*>(std::getenv(name)); });
}

}  // namespace rotor
