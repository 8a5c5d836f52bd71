// SPDX-License-Identifier: Apache-2.0
// The report of rotor bench as a table for people, in Markdown.
#pragma once

#include "bench_report.h"

namespace rotor::cli {

void print_markdown(const BenchReport& report);

}  // namespace rotor::cli
