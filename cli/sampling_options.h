// SPDX-License-Identifier: Apache-2.0
// The options that say how tokens are chosen, under the names people know from llama.cpp.
#pragma once

#include <CLI/CLI.hpp>
#include <rotor/generation.h>
#include <rotor/status.h>

#include <string>
#include <vector>

#include "model/model.h"

namespace rotor::cli {

struct SamplingOptions {
  SamplingParams params;
  int64_t seed = 0;                      // -1: a new one each time
  std::vector<std::string> logit_bias;   // "TOKEN=BIAS"
  std::vector<std::string> stop;
  const CLI::App* command = nullptr;     // tells which options were given
};

void add_sampling_options(CLI::App& app, SamplingOptions& options);

// Fills the sampling part of `request`: options given win over the model's own defaults, and those
// over Rotor's.
Status apply_sampling(const SamplingOptions& options, const Model& model,
                      GenerationRequest& request);

}  // namespace rotor::cli
