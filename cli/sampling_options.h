// SPDX-License-Identifier: Apache-2.0
// The options that say how tokens are chosen, under the names people know from llama.cpp.
#pragma once

#include <rotor/generation.h>
#include <rotor/status.h>

#include <string>
#include <vector>

#include "model/model.h"

namespace CLI {
class App;
}

namespace rotor::cli {

struct SamplingOptions {
  SamplingParams params;
  std::string seed = "0";                // 0 to 2^64 - 1; -1: a new one each time
  std::vector<std::string> logit_bias;   // "TOKEN=BIAS"
  std::vector<std::string> stop;
  bool no_speculate = false;
  bool recommended = false;              // sample as the model's makers recommend
  const CLI::App* command = nullptr;     // tells which options were given
};

void add_sampling_options(CLI::App& app, SamplingOptions& options);

// Fills the sampling part of `request`. The defaults are Rotor's whatever the model's container, so
// that the same weights give the same tokens; with --recommended the recommendation of the model
// comes before them, and options given win over both. kUnsupported when the model recommends
// nothing.
Status apply_sampling(const SamplingOptions& options, const Model& model,
                      GenerationRequest& request);

}  // namespace rotor::cli
