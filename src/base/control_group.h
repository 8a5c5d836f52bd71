// SPDX-License-Identifier: Apache-2.0
// What the control group this process runs in (containers, systemd slices) allows. Both functions read
// ROOT/proc/self/cgroup and ROOT/sys/fs/cgroup (versions 1 and 2), so that a test can supply its own,
// and take the smallest limit from the group up to the root.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace rotor {

// Whole processors the quota pays for, at least 1; nullopt when there is none. A quota of 1.5 gives 1: a
// thread beyond the quota would stall the others at each barrier.
std::optional<size_t> control_group_cpus(const std::string& root);

// Bytes of memory; nullopt when there is no limit.
std::optional<uint64_t> control_group_memory(const std::string& root);

}  // namespace rotor
