// SPDX-License-Identifier: Apache-2.0
// Times one test of rotor bench on an executor.
#pragma once

#include <rotor/status.h>

#include <vector>

#include "base/energy_counter.h"
#include "bench_cost.h"
#include "bench_plan.h"
#include "bench_report.h"
#include "model/executor.h"

namespace rotor::cli {

// References outlive the object.
class BenchRun {
 public:
  BenchRun(const BenchOptions& options, const BenchSetting& setting, Executor& executor)
      : options_(options), setting_(setting), executor_(executor) {}

  // Fills the cache, warms up, and times the repetitions. The row lacks what this class does not
  // know: model, threads, limits of the machine.
  Result<BenchRow> measure(const BenchTest& test);

 private:
  Status fill(const BenchTest& test, std::vector<KvSequence>& sequences);
  Result<double> time_once(const BenchTest& test, std::vector<KvSequence>& sequences);
  Status compute(KvSequence& sequence, size_t count);
  Status generate(std::vector<KvSequence>& sequences, size_t count);
  HeadReads head_reads(const TwoStageCounts& before) const;
  void add_rates(BenchRow& row) const;
  std::vector<BenchPhase> phases(const VerbTimes& before, const BenchRow& row) const;

  const BenchOptions& options_;
  const BenchSetting& setting_;
  Executor& executor_;
  EnergyCounter energy_{"/"};
};

}  // namespace rotor::cli
