// SPDX-License-Identifier: Apache-2.0
#include "base/energy_counter.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "base/file.h"

namespace rotor {
namespace {

namespace fs = std::filesystem;

std::string first_line(const std::string& path) {
  const Result<std::string> text = read_text_file(path, 4096);
  return text.ok() ? text->substr(0, text->find('\n')) : std::string();
}

std::optional<uint64_t> number_in(const std::string& path) {
  const std::string line = first_line(path);
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
  if (error != std::errc() || end != line.data() + line.size()) {
    return std::nullopt;
  }
  return number;
}

// "intel-rapl:0", also on AMD. Zones within a package have a second colon, and intel-rapl-mmio shows
// the same package once more.
bool is_package(const fs::path& zone) {
  const std::string name = zone.filename().string();
  return name.starts_with("intel-rapl:") && std::count(name.begin(), name.end(), ':') == 1 &&
         first_line(zone / "name").starts_with("package");
}

}  // namespace

EnergyCounter::EnergyCounter(const std::string& root) {
  std::error_code error;
  for (const auto& zone : fs::directory_iterator(root + "/sys/class/powercap", error)) {
    if (!is_package(zone.path())) {
      continue;
    }
    const std::string path = zone.path() / "energy_uj";
    const auto now = number_in(path);
    const auto range = number_in(zone.path() / "max_energy_range_uj");
    if (!now || !range) {  // a part of the packages would pass for all of them
      packages_.clear();
      return;
    }
    packages_.push_back({path, *range, *now});
  }
}

std::optional<double> EnergyCounter::joules() {
  double sum = 0.0;
  for (Package& package : packages_) {
    const auto now = number_in(package.path);
    if (!now) {
      packages_.clear();
      break;
    }
    const uint64_t used = *now >= package.last ? *now - package.last
                                               : *now + package.range - package.last;
    package.last = *now;
    sum += static_cast<double>(used) * 1e-6;
  }
  return packages_.empty() ? std::nullopt : std::optional(sum);
}

}  // namespace rotor
