// SPDX-License-Identifier: Apache-2.0
#include "model_options.h"

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <vector>

#include "device/cpu/cpu_loader.h"
#include "hub_model.h"
#include "lora_option.h"
#include "repeated_option.h"
#include "terminal.h"

namespace rotor::cli {
namespace {

namespace fs = std::filesystem;

// Folders the shipped model may be in: ROTOR_MODELS, beside an installed program, the source tree.
std::vector<fs::path> model_folders() {
  std::vector<fs::path> folders;
  if (const char* variable = std::getenv("ROTOR_MODELS"); variable != nullptr && *variable != '\0') {
    folders.emplace_back(variable);
  }
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) {
    folders.push_back(program.parent_path().parent_path() / "share" / "rotor");
  }
  constexpr std::string_view kSource = ROTOR_SOURCE_MODELS;
  if (!kSource.empty()) {  // it is in a program for other machines
    folders.emplace_back(kSource);
  }
  return folders;
}

// The .rotor files of a folder, by name. Those tuned for conversations are called <NAME>-chat.rotor.
std::vector<fs::path> models_in(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".rotor") {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

// The path of the model that ships as NAME.rotor; empty when none does.
std::string shipped_model(const std::string& name) {
  std::error_code error;
  if (name.find('/') != std::string::npos || fs::exists(name, error)) {
    return "";
  }
  for (const fs::path& folder : model_folders()) {
    const fs::path file = folder / (name + ".rotor");
    if (fs::is_regular_file(file, error)) {
      return file.string();
    }
  }
  return "";
}

}  // namespace

void add_source_options(CLI::App& app, ModelOptions& options) {
  app.add_option("--i2s-layout", options.i2s_layout, "layout of I2_S tensors in a GGUF file")
      ->check(CLI::IsMember({"auto", "128", "64", "1x4"}))
      ->capture_default_str();
  add_texts(app, "--override-kv", options.overrides,
            "metadata that holds in place of a GGUF file's: KEY=TYPE:VALUE with a type of int, "
            "float, bool or str; may be repeated")
      ->type_name("KEY=TYPE:VALUE");
}

void add_model_argument(CLI::App& app, ModelOptions& options) {
  app.add_option("MODEL,-m,--model", options.model,
                 "Hugging Face directory, .safetensors, .gguf or .rotor file; org/name[@revision][:file] "
                 "or an alias of rotor pull --list, downloaded when it is not in the cache; "
                 "stories or stories-chat, which ship with rotor; or synthetic:NAME; left out: "
                 "the one that ships for the purpose")
      ->envname("ROTOR_MODEL");
  add_source_options(app, options);
}

void add_weights_option(CLI::App& app, ModelOptions& options) {
  app.add_option("--weights", options.weights,
                 "layout of the ternary matrices in memory; the answer is the same in each. auto: the "
                 "fastest here, measured once for a large model")
      ->envname("ROTOR_WEIGHTS")
      ->check(CLI::IsMember({"auto", "i2", "dense243", "fold243", "planes2"}))
      ->capture_default_str();
  app.add_option("--head", options.head,
                 "the head: full (in memory, read whole for every token), or two-stage (a coarse form "
                 "in memory, single rows from the file; the answer is the same), or auto (two-stage "
                 "when it is large, unless every token needs all of it: top-p or typical-p without "
                 "top-k, beam search, ppl, logits)")
      ->envname("ROTOR_HEAD")
      ->check(CLI::IsMember({"auto", "full", "two-stage"}))
      ->capture_default_str();
}

void add_compute_options(CLI::App& app, ModelOptions& options) {
  app.add_option("-t,--threads", options.threads, "threads; 0: what the machine allows")
      ->envname("ROTOR_THREADS")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_option("-c,--ctx-size", options.context,
                 "positions of the context; 0: the model's own, at most 4096")
      ->envname("ROTOR_CTX_SIZE")
      ->check(CLI::Range(0, (1 << 24) - 1))
      ->capture_default_str();
  app.add_option("--kv", options.kv,
                 "type of the key/value cache; int8 takes half of the memory of f16 and rounds more")
      ->check(CLI::IsMember({"f16", "bf16", "f32", "int8"}))
      ->capture_default_str();
  add_lora_option(app, options.loras);
  add_weights_option(app, options);
  app.add_flag("-q,--quiet", options.quiet, "no progress bar, no notes, no statistics");
}

Result<std::string> resolve_model(const std::string& given, Purpose purpose, bool quiet) {
  if (!given.empty()) {
    const std::string shipped = shipped_model(given);
    return !shipped.empty() ? shipped : means_hub_model(given) ? model_of_the_hub(given, quiet) : given;
  }
  for (const fs::path& folder : model_folders()) {
    const std::vector<fs::path> files = models_in(folder);
    const auto fitting = std::find_if(files.begin(), files.end(), [=](const fs::path& file) {
      return file.stem().string().ends_with("-chat") == (purpose == Purpose::kChat);
    });
    if (!files.empty()) {
      return (fitting == files.end() ? files.front() : *fitting).string();
    }
  }
  std::string looked;
  for (const fs::path& folder : model_folders()) {
    looked += (looked.empty() ? " in " : ", ") + folder.string();
  }
  return not_found("no MODEL given and the model that ships with rotor was not found" + looked +
                   "; name a model, or set ROTOR_MODELS");
}

Result<SourceOptions> source_options(const ModelOptions& options) {
  SourceOptions source;
  source.i2s_layout = parse_i2s_layout(options.i2s_layout);
  if (!source.i2s_layout && options.i2s_layout != "auto") {
    return invalid_argument("--i2s-layout: expected auto, 128, 64 or 1x4, got " + options.i2s_layout);
  }
  for (const std::string& text : options.overrides) {
    ROTOR_ASSIGN(GgufOverride override, parse_gguf_override(text));
    source.overrides.push_back(std::move(override));
  }
  return source;
}

HeadMode head_mode(const std::string& name) {
  if (name == "auto") {
    return HeadMode::kAuto;
  }
  return name == "full" ? HeadMode::kFull : HeadMode::kTwoStage;
}

Result<LoadedModel> load(const ModelOptions& options, size_t sequences, size_t max_batch) {
  const auto start = std::chrono::steady_clock::now();
  ROTOR_ASSIGN(const std::string path, resolve_model(options.model, options.purpose,
                                                     options.quiet));
  LoadOptions load_options;
  ROTOR_ASSIGN(load_options.source, source_options(options));
  load_options.head = options.every_logit && options.head == "auto" ? HeadMode::kFull
                                                                    : head_mode(options.head);
  load_options.progress = progress_bar(options.quiet);
  CpuExecutorOptions executor_options;
  executor_options.kv_type = *parse_kv_type(options.kv);
  ROTOR_ASSIGN(executor_options.isa, selected_isa());
  LoadedModel loaded;
  {
    const size_t threads = options.threads != 0 ? options.threads : default_thread_count();
    ThreadPool pool(threads);
    ROTOR_TRY(check_threads(pool, threads));
    ROTOR_ASSIGN(ModelSource source, open_model_source(path, load_options.source));
    const size_t own = source.config.context;
    loaded.context = options.context != 0 ? options.context : std::min(own, kDefaultContext);
    executor_options.kv_positions = loaded.context;
    ROTOR_ASSIGN(loaded.model, load_for_cpu(std::move(source), load_options,
                                            parse_format(options.weights), executor_options, pool));
  }
  for (const std::string& warning : loaded.model->warnings) {
    fmt::print(stderr, "rotor: warning: {}\n", warning);
  }
  executor_options.threads = options.threads;
  executor_options.max_batch = max_batch;
  executor_options.kv_sequences = sequences;
  ROTOR_ASSIGN(loaded.executor, make_cpu_executor(loaded.model, executor_options));
  ROTOR_ASSIGN(LoraSet loras, open_loras(options.loras, loaded.model->config, options.quiet));
  loaded.executor->kv_pool().set_lora(std::make_shared<const LoraSet>(std::move(loras)));
  loaded.load_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return loaded;
}

}  // namespace rotor::cli
