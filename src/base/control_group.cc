// SPDX-License-Identifier: Apache-2.0
// Reads cpu.max and memory.max (version 2), cpu.cfs_quota_us and memory.limit_in_bytes (version 1).
#include "base/control_group.h"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace rotor {
namespace {

// First line of a small file of the system; empty when there is none.
std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::optional<double> ratio(const std::string& quota, const std::string& period) {
  double numerator = 0;
  double denominator = 0;
  std::istringstream(quota) >> numerator;
  std::istringstream(period) >> denominator;
  if (!(numerator > 0) || !(denominator > 0)) {  // "max" and -1 mean: no limit
    return std::nullopt;
  }
  return numerator / denominator;
}

std::optional<double> cpus_of_folder(const std::string& folder) {
  std::istringstream line(first_line(folder + "/cpu.max"));
  std::string quota;
  std::string period;
  if (line >> quota >> period) {
    return ratio(quota, period);
  }
  return ratio(first_line(folder + "/cpu.cfs_quota_us"), first_line(folder + "/cpu.cfs_period_us"));
}

std::optional<double> memory_of_folder(const std::string& folder) {
  constexpr double kNoLimit = 0x1p60;  // version 1 has no word for it, and says almost 2^63
  const std::string line = first_line(folder + "/memory.max");
  const auto bytes = ratio(line.empty() ? first_line(folder + "/memory.limit_in_bytes") : line, "1");
  return bytes && *bytes < kNoLimit ? bytes : std::nullopt;
}

using LimitOfFolder = std::optional<double> (*)(const std::string& folder);

// The smallest limit from mount + group up to mount itself.
std::optional<double> smallest_limit(const std::string& mount, std::string group,
                                     LimitOfFolder limit_of_folder) {
  std::optional<double> smallest;
  for (;;) {
    const std::optional<double> limit = limit_of_folder(mount + group);
    if (limit && (!smallest || *limit < *smallest)) {
      smallest = limit;
    }
    const size_t slash = group.rfind('/');
    if (slash == std::string::npos) {
      return smallest;
    }
    group.resize(slash);
  }
}

// The smallest limit of the groups this process is in for `controller`.
std::optional<double> own_limit(const std::string& root, const std::string& controller,
                                LimitOfFolder limit_of_folder) {
  std::ifstream membership(root + "/proc/self/cgroup");
  std::optional<double> limit;
  std::string line;
  while (std::getline(membership, line)) {  // "id:controllers:/path"; version 2: "0::/path"
    const size_t first = line.find(':');
    const size_t second = line.find(':', first == std::string::npos ? first : first + 1);
    if (second == std::string::npos) {
      continue;
    }
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string group = line.substr(second + 1);
    std::optional<double> found;
    if (controllers == ",,") {
      found = smallest_limit(root + "/sys/fs/cgroup", group, limit_of_folder);
    } else if (controllers.find("," + controller + ",") != std::string::npos) {
      found = smallest_limit(root + "/sys/fs/cgroup/" + controller, group, limit_of_folder);
    }
    if (found && (!limit || *found < *limit)) {
      limit = found;
    }
  }
  return limit;
}

}  // namespace

std::optional<size_t> control_group_cpus(const std::string& root) {
  const std::optional<double> limit = own_limit(root, "cpu", cpus_of_folder);
  return limit ? std::optional(static_cast<size_t>(std::clamp(*limit, 1.0, 1e6))) : std::nullopt;
}

std::optional<uint64_t> control_group_memory(const std::string& root) {
  const std::optional<double> limit = own_limit(root, "memory", memory_of_folder);
  return limit ? std::optional(static_cast<uint64_t>(*limit)) : std::nullopt;
}

}  // namespace rotor
