// SPDX-License-Identifier: Apache-2.0
// How fast this machine reads memory: the limit that decoding is measured against.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <span>
#include <vector>

namespace rotor::cli {

// Bytes a second that `threads` threads read together, each its own part of `memory`; the best of
// `repeats` rounds of several ways to read. An empty `memory` stands for a buffer of 256 MB made for it.
Result<double> measure_read_bandwidth(size_t threads, size_t repeats,
                                      std::vector<std::span<const std::byte>> memory = {});

}  // namespace rotor::cli
