// SPDX-License-Identifier: Apache-2.0
// Which packed layout is multiplied fastest on this machine: a measurement of some tens of milliseconds.
// It depends on how much memory bandwidth a thread gets and on what the kernels of a level cost, so no
// table knows it.
#pragma once

#include <rotor/status.h>

#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "ternary/format.h"

namespace rotor {

// More than the usual caches hold: 72 MB in the smallest layout.
inline constexpr double kProbeWeights = 2560.0 * 8832 * 16;

// Seconds that a product with one and the same matrix of kProbeWeights weights takes.
struct FormatTime {
  TernaryFormat format;
  double one = 0;   // with a single vector, the matrix in memory: as for each token generated
  double many = 0;  // a vector's share of 64 vectors together: as for each token of a prompt
};

// The layouts that have a kernel of their own at this level, none of them at kScalar.
std::vector<TernaryFormat> formats_with_kernels(const KernelTable& kernels);

// Times each of them. Takes about 100 MB of memory meanwhile. Uses the whole pool. kOutOfMemory.
Result<std::vector<FormatTime>> time_formats(const KernelTable& kernels, ThreadPool& pool);

// The layout for a conversation that reads two tokens for each one it writes: of those that take at most
// a tenth longer than the best, which is what such a measurement is off, the one that writes fastest, since
// writing is what one waits for. Without `times`, i2.
TernaryFormat fastest_format(std::span<const FormatTime> times);

}  // namespace rotor
