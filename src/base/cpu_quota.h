// SPDX-License-Identifier: Apache-2.0
// The processor quota of the control group this process runs in (containers, systemd slices).
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace rotor {

// Whole processors the quota pays for, at least 1; nullopt when there is none. Reads
// ROOT/proc/self/cgroup and ROOT/sys/fs/cgroup (versions 1 and 2), so that a test can supply its
// own. A quota of 1.5 gives 1: a thread beyond the quota would stall the others at each barrier.
std::optional<size_t> cgroup_cpu_limit(const std::string& root);

}  // namespace rotor
