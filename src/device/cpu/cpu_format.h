// SPDX-License-Identifier: Apache-2.0
// The layout of a model's matrices that this CPU multiplies fastest, and where that is remembered.
#pragma once

#include <optional>
#include <string>

#include "base/cpu_features.h"
#include "base/thread_pool.h"
#include "model/model_source.h"
#include "ternary/format.h"

namespace rotor {

// i2 for a model that caches may hold. For a larger one what was found by a measurement
// (kernels/format_probe.h), once for a CPU, level and number of threads: it is kept in the file
// `cache`. A file that cannot be read or written, or holds something else, costs a measurement and is no
// error. Uses the whole pool.
TernaryFormat cpu_format(const ModelSource& source, IsaLevel isa, ThreadPool& pool,
                         const std::string& cache);

// $XDG_CACHE_HOME/rotor/formats.json, or that in ~/.cache; empty when neither variable is an absolute
// path: then nothing is kept.
std::string cpu_format_cache();

// What `cache` holds for `machine`; and adding it there.
std::optional<TernaryFormat> cached_format(const std::string& cache, const std::string& machine);
void cache_format(const std::string& cache, const std::string& machine, TernaryFormat format);

}  // namespace rotor
