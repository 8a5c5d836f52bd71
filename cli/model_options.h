// SPDX-License-Identifier: Apache-2.0
// The options that every command with a model shares, and the way from them to a loaded model.
#pragma once

#include <rotor/status.h>

#include <memory>
#include <string>
#include <vector>

#include "device/cpu/cpu_executor.h"
#include "model/loader.h"
#include "model/model.h"

namespace CLI {
class App;
}

namespace rotor::cli {

// Which of the models that ship stands in where none is named.
enum class Purpose : uint8_t { kText, kChat };

struct ModelOptions {
  std::string model;             // path or name; empty: the model that ships with the program
  Purpose purpose = Purpose::kText;
  size_t threads = 0;            // 0: what the machine allows
  size_t context = 0;            // 0: the model's own, at most kDefaultContext
  std::string kv = "f16";        // key/value cache type
  std::string weights = "auto";  // layout of the ternary matrices in memory
  std::string head = "auto";     // auto, full or two-stage: how the head is kept
  bool every_logit = false;      // what follows needs them all: "auto" means "full"
  std::string i2s_layout = "auto";
  std::vector<std::string> overrides;  // KEY=TYPE:VALUE
  std::vector<std::string> loras;      // PATH or PATH:SCALE
  bool quiet = false;
};
inline constexpr size_t kDefaultContext = 4096;

// --i2s-layout and --override-kv: how to read a GGUF file.
void add_source_options(CLI::App& app, ModelOptions& options);
// MODEL, -m and the source options; nothing else.
void add_model_argument(CLI::App& app, ModelOptions& options);
// --weights and --head.
void add_weights_option(CLI::App& app, ModelOptions& options);
// -t, -c, --kv, --lora, --weights, --head and --quiet: for commands that compute.
void add_compute_options(CLI::App& app, ModelOptions& options);

// The path to use: the one given; of the name of a shipped model its file; of a name of the hub
// (hub_model.h) that in the cache, downloaded if need be; or of none the shipped model of the purpose.
// kNotFound when there is none.
Result<std::string> resolve_model(const std::string& given, Purpose purpose = Purpose::kText,
                                  bool quiet = false);

Result<SourceOptions> source_options(const ModelOptions& options);

// REQUIRES: one of the names that --head takes.
HeadMode head_mode(const std::string& name);

struct LoadedModel {
  std::shared_ptr<const Model> model;
  std::unique_ptr<Executor> executor;
  size_t context = 0;            // positions a sequence may have
  double load_seconds = 0.0;
};

// Loads the model and makes a CPU executor for `sequences` sequences of the context. Prints
// warnings, and a progress bar on a terminal.
Result<LoadedModel> load(const ModelOptions& options, size_t sequences, size_t max_batch = 128);

}  // namespace rotor::cli
