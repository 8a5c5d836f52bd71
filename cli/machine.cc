// SPDX-License-Identifier: Apache-2.0
#include "machine.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>

#include "base/control_group.h"

namespace rotor::cli {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string frequency_governor() {
  return first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
}

// Linux's own estimate; where it gives none, all the memory there is.
uint64_t free_memory() {
  std::ifstream file("/proc/meminfo");
  std::string key;
  for (uint64_t kibibytes = 0; file >> key >> kibibytes;) {
    if (key == "MemAvailable:") {
      return kibibytes * 1024;
    }
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
         static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

uint64_t available_memory() {
  return std::min(free_memory(), control_group_memory("/").value_or(UINT64_MAX));
}

}  // namespace rotor::cli
