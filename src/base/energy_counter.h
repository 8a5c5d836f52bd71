// SPDX-License-Identifier: Apache-2.0
// The energy that the processor's packages have used, from the counters (RAPL) that Linux shows under
// /sys/class/powercap. Often only root may read them, and virtual machines have none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rotor {

class EnergyCounter {
 public:
  // Finds the packages' counters under ROOT/sys/class/powercap; a test supplies a root of its own.
  explicit EnergyCounter(const std::string& root);

  // Joules that all packages used since the last call, or since the constructor; nullopt when there
  // is no counter or one cannot be read. The counters wrap, after some minutes at the soonest: a call
  // now and then misses nothing.
  std::optional<double> joules();

 private:
  struct Package {
    std::string path;          // of the file with the microjoules
    uint64_t range = 0;        // microjoules at which the counter starts again
    uint64_t last = 0;
  };
  std::vector<Package> packages_;
};

}  // namespace rotor
