// SPDX-License-Identifier: Apache-2.0
// Reads cpu.max (version 2) and cpu.cfs_quota_us (version 1) from this group up to the root.
#include "base/cpu_quota.h"

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

std::optional<double> limit_of_folder(const std::string& folder) {
  std::istringstream line(first_line(folder + "/cpu.max"));
  std::string quota;
  std::string period;
  if (line >> quota >> period) {
    return ratio(quota, period);
  }
  return ratio(first_line(folder + "/cpu.cfs_quota_us"), first_line(folder + "/cpu.cfs_period_us"));
}

// The smallest limit from mount + group up to mount itself.
std::optional<double> smallest_limit(const std::string& mount, std::string group) {
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

bool names_cpu_controller(const std::string& controllers) {
  return ("," + controllers + ",").find(",cpu,") != std::string::npos;
}

}  // namespace

std::optional<size_t> cgroup_cpu_limit(const std::string& root) {
  std::ifstream membership(root + "/proc/self/cgroup");
  std::optional<double> limit;
  std::string line;
  while (std::getline(membership, line)) {  // "id:controllers:/path"; version 2: "0::/path"
    const size_t first = line.find(':');
    const size_t second = line.find(':', first == std::string::npos ? first : first + 1);
    if (second == std::string::npos) {
      continue;
    }
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    std::optional<double> found;
    if (controllers.empty()) {
      found = smallest_limit(root + "/sys/fs/cgroup", group);
    } else if (names_cpu_controller(controllers)) {
      found = smallest_limit(root + "/sys/fs/cgroup/cpu", group);
    }
    if (found && (!limit || *found < *limit)) {
      limit = found;
    }
  }
  if (!limit) {
    return std::nullopt;
  }
  return static_cast<size_t>(std::clamp(*limit, 1.0, 1e6));
}

}  // namespace rotor
