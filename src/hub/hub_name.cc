// SPDX-License-Identifier: Apache-2.0
// Splits a name into repository, revision and file. Nothing here looks at a disk or a network.
#include "hub/hub_name.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <vector>

namespace rotor {
namespace {

constexpr size_t kMaxName = 2048;
constexpr size_t kMaxRepoPart = 96;
constexpr size_t kMaxPathPart = 255;  // of a file name, by most file systems
constexpr std::string_view kScheme = "hf://";
constexpr std::string_view kForms =
    "expected org/name, org/name@revision, org/name:file, hf://org/name or the address of a model's "
    "web page";

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool is_repo_part(std::string_view part) {
  const auto legal = [](char c) { return is_word(c) || c == '-' || c == '.'; };
  return !part.empty() && part.size() <= kMaxRepoPart && is_word(part.front()) &&
         is_word(part.back()) && std::all_of(part.begin(), part.end(), legal) &&
         part.find("--") == part.npos && part.find("..") == part.npos;
}

bool is_model_file(std::string_view text) {
  constexpr std::array<std::string_view, 4> kEndings = {".gguf", ".safetensors", ".rotor", ".json"};
  return std::any_of(kEndings.begin(), kEndings.end(),
                     [&](std::string_view ending) { return text.ends_with(ending); });
}

// The text up to one of `stops` is removed from `text` and returned.
std::string_view take_until(std::string_view& text, std::string_view stops) {
  const size_t end = std::min(text.find_first_of(stops), text.size());
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(end);
  return taken;
}

// Removes `prefix`; false when the text does not begin so.
bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) {
    return false;
  }
  text.remove_prefix(prefix.size());
  return true;
}

std::vector<std::string_view> split_path(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    parts.push_back(take_until(path, "/"));
    take(path, "/");
  }
  return parts;
}

// "%2F" as in the addresses of web pages; nullopt for a broken escape.
std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned value = 0;
    const std::string_view digits = text.substr(i + 1, 2);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != 2 || error != std::errc() || end != digits.data() + 2) {
      return std::nullopt;
    }
    out += static_cast<char>(value);
    i += 2;
  }
  return out;
}

Status malformed(std::string_view text) {
  return invalid_argument("'" + std::string(text) + "': " + std::string(kForms));
}

Status not_a_model(std::string_view kind) {
  return unsupported("the address names one of the hub's " + std::string(kind) +
                     "; rotor reads models");
}

// How many of the parts that follow are the revision: "refs/pr/7" is the one kind with slashes.
size_t revision_parts(const std::vector<std::string_view>& parts, size_t first) {
  return parts.size() >= first + 3 && parts[first] == "refs" ? 3 : 1;
}

std::string joined(const std::vector<std::string_view>& parts, size_t first, size_t count) {
  std::string out;
  for (size_t i = first; i < std::min(parts.size(), first + count); ++i) {
    out += (i == first ? "" : "/") + std::string(parts[i]);
  }
  return out;
}

// org/name[@revision][:file]
HubName parse_short(std::string_view text) {
  HubName name;
  name.repo = take_until(text, "@:");
  if (take(text, "@")) {
    name.revision = take_until(text, ":");
  }
  if (take(text, ":")) {
    name.file = text;
  }
  return name;
}

// What follows hf://: [models/]org/name[@revision][/file or :file]
Result<HubName> parse_uri(std::string_view text) {
  for (const std::string_view kind : {"datasets/", "spaces/"}) {
    if (text.starts_with(kind)) {
      return not_a_model(kind.substr(0, kind.size() - 1));
    }
  }
  if (split_path(text).size() >= 3) {
    take(text, "models/");
  }
  HubName name;
  name.repo = take_until(text, "/");
  if (take(text, "/")) {
    name.repo += "/" + std::string(take_until(text, "@:/"));
  }
  if (take(text, "@")) {
    const std::string_view revision = take_until(text, ":");
    const std::vector<std::string_view> parts = split_path(revision);
    const size_t count = revision_parts(parts, 0);
    const std::optional<std::string> decoded = percent_decode(joined(parts, 0, count));
    if (!decoded) {
      return malformed(revision);
    }
    name.revision = *decoded;
    name.file = joined(parts, count, parts.size());
  }
  if (take(text, ":") || take(text, "/")) {
    name.file = text;
  }
  return name;
}

// What follows the host of a web address.
Result<HubName> parse_web(std::string_view path) {
  path = path.substr(0, path.find_first_of("?#"));
  std::vector<std::string_view> parts = split_path(path);
  if (!parts.empty() && parts[0] == "models" && parts.size() > 2) {
    parts.erase(parts.begin());
  }
  if (!parts.empty() && (parts[0] == "datasets" || parts[0] == "spaces")) {
    return not_a_model(parts[0]);
  }
  if (parts.size() < 2) {
    return malformed(path);
  }
  HubName name = parse_short(joined(parts, 0, 2));
  if (name.repo.ends_with(".git")) {
    name.repo.resize(name.repo.size() - 4);
  }
  if (parts.size() <= 3) {
    return name;  // its page, or a page of its own such as /discussions
  }
  constexpr std::array<std::string_view, 6> kKinds = {"tree", "blob", "resolve",
                                                      "raw",  "commit", "commits"};
  if (std::find(kKinds.begin(), kKinds.end(), parts[2]) == kKinds.end()) {
    return malformed(path);
  }
  const size_t count = revision_parts(parts, 3);
  const std::optional<std::string> revision = percent_decode(joined(parts, 3, count));
  const std::optional<std::string> file = percent_decode(joined(parts, 3 + count, parts.size()));
  if (!revision || !file) {
    return malformed(path);
  }
  name.revision = *revision == kMainRevision ? "" : *revision;
  name.file = *file;
  return name;
}

std::string_view without_scheme(std::string_view address) {
  const size_t end = address.find("://");
  return end == address.npos ? address : address.substr(end + 3);
}

// Removes "[https://]host/"; false when the text does not begin with an address of the hub.
bool take_hub_host(std::string_view& text, std::string_view endpoint) {
  const std::string_view address = without_scheme(text);
  const bool has_scheme = address.size() != text.size();
  for (const std::string_view host :
       {std::string_view("huggingface.co"), std::string_view("www.huggingface.co"),
        std::string_view("hf.co"), without_scheme(endpoint)}) {
    if (address.starts_with(host) && address.substr(host.size()).starts_with('/') &&
        (has_scheme || address.find('/') != address.rfind('/'))) {
      text = address.substr(host.size() + 1);
      return true;
    }
  }
  return false;
}

// Such an owner would read like an address without its scheme.
bool is_owned_by_host(std::string_view repo) {
  return repo.starts_with("huggingface.co/") || repo.starts_with("www.huggingface.co/") ||
         repo.starts_with("hf.co/");
}

bool is_web_address(std::string_view text) {
  return text.starts_with("https://") || text.starts_with("http://");
}

}  // namespace

std::string HubName::text() const {
  return repo + (revision.empty() ? "" : "@" + revision) + (file.empty() ? "" : ":" + file);
}

bool is_hub_repo(std::string_view text) {
  const size_t slash = text.find('/');
  return slash != text.npos && is_repo_part(text.substr(0, slash)) &&
         is_repo_part(text.substr(slash + 1));
}

bool is_safe_hub_path(std::string_view text) {
  if (text.empty() || text.size() > kMaxName || text.back() == '/') {
    return false;
  }
  for (const std::string_view part : split_path(text)) {
    if (part.empty() || part == "." || part == ".." || part.size() > kMaxPathPart) {
      return false;
    }
  }
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 32 || c == 127; });
}

bool is_hub_commit(std::string_view text) {
  return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

bool is_hub_name(std::string_view text) {
  if (text.starts_with(kScheme) || is_web_address(text)) {
    return true;
  }
  if (take_hub_host(text, kHubEndpoint)) {
    return true;
  }
  return is_hub_repo(parse_short(text).repo) &&
         (text.find_first_of("@:") != text.npos || !is_model_file(text));
}

Result<HubName> parse_hub_name(std::string_view text, std::string_view endpoint) {
  if (text.size() > kMaxName) {
    return invalid_argument("a name of " + std::to_string(text.size()) + " bytes; at most " +
                            std::to_string(kMaxName) + " are accepted");
  }
  std::string_view rest = text;
  Result<HubName> name = HubName();
  if (take(rest, kScheme)) {
    name = parse_uri(rest);
  } else if (take_hub_host(rest, endpoint)) {
    name = parse_web(rest);
  } else if (is_web_address(rest)) {
    return unsupported("'" + std::string(text) + "': rotor downloads from " +
                       std::string(endpoint) + " only; download the file and give its path");
  } else {
    name = parse_short(rest);
  }
  if (!name.ok()) {
    return name.status();
  }
  while (name->file.ends_with('/')) {
    name->file.pop_back();
  }
  if (!is_hub_repo(name->repo) || is_owned_by_host(name->repo)) {
    return malformed(text);
  }
  for (const std::string& path : {name->revision, name->file}) {
    if (!path.empty() && !is_safe_hub_path(path)) {
      return invalid_argument("'" + std::string(text) + "': not a revision or file of a repository");
    }
  }
  return name;
}

}  // namespace rotor
