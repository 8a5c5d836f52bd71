// SPDX-License-Identifier: Apache-2.0
// How fast this machine reads memory: the limit that decoding is measured against.
#pragma once

#include <rotor/status.h>

#include <cstddef>

namespace rotor::cli {

// Bytes a second that `threads` threads read together from a buffer of 768 MB in 2 MiB pages, each
// its own part, with software prefetch; the best of `repeats` passes.
Result<double> measure_read_bandwidth(size_t threads, size_t repeats = 5);

}  // namespace rotor::cli
