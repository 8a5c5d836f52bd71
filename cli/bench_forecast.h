// SPDX-License-Identifier: Apache-2.0
// rotor bench --plan: what models would need and reach, without loading them.
#pragma once

#include <rotor/status.h>

#include <string>
#include <vector>

#include "bench_plan.h"

namespace rotor::cli {

// Prints, for each model, head and layout, its memory with the largest cache of the tests, whether that
// is free, and the roofline: tokens a second that the measured read bandwidth and integer rate allow
// at each depth. kInvalidArgument for forms other than md, json and jsonl.
Status print_forecast(const BenchOptions& options, const std::vector<std::string>& models,
                      const std::vector<BenchTest>& tests);

}  // namespace rotor::cli
