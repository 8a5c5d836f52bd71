// SPDX-License-Identifier: Apache-2.0
// The layout of a model's matrices that this CPU multiplies fastest, and where that is remembered.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/cpu_features.h"
#include "base/thread_pool.h"
#include "ternary/format.h"

namespace rotor {

inline constexpr uint64_t kBeyondCaches = uint64_t{64} << 20;

// The layout for a model whose matrices take `i2_bytes` in i2. i2 where that is below kBeyondCaches: a
// cache may hold it. Otherwise what was found by a measurement (kernels/format_probe.h), once for a
// machine: it is kept in the file `cache`. A file that cannot be read or written, or names no layout that
// has kernels here, costs a measurement and is no error. Uses the whole pool.
TernaryFormat cpu_format(uint64_t i2_bytes, IsaLevel isa, ThreadPool& pool, const std::string& cache);

// $XDG_CACHE_HOME/rotor/formats.json, or that in ~/.cache; empty when neither variable is an absolute
// path: then nothing is kept.
std::string cpu_format_cache();

// What the measurement depends on: CPU, level, threads, the layouts compared, version.
std::string machine_name(IsaLevel isa, size_t threads, std::span<const TernaryFormat> compared);

// What `cache` holds for `machine`; and adding it there.
std::optional<TernaryFormat> cached_format(const std::string& cache, const std::string& machine);
void cache_format(const std::string& cache, const std::string& machine, TernaryFormat format);

}  // namespace rotor
