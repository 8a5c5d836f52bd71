// SPDX-License-Identifier: Apache-2.0
// rotor inspect: what a model file holds, for a person and as JSON.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/json.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "commands.h"
#include "container_report.h"
#include "exit_code.h"
#include "model/memory_plan.h"
#include "model/rotor_config.h"
#include "model/trit_hash.h"
#include "model_options.h"
#include "output.h"
#include "terminal.h"

namespace rotor::cli {
namespace {

struct InspectOptions {
  ModelOptions model;
  bool json = false;
  bool container = false;
};

struct Findings {
  ModelSource source;
  TritStatistics trits;
  MemoryPlan memory;
  std::map<std::string, size_t> layouts;   // layout of matrices, and how many have it
  size_t tokens = 0;
  std::vector<TokenId> end_of_generation;
  std::vector<std::string> warnings;
};

Result<Findings> examine(const InspectOptions& options) {
  ROTOR_ASSIGN(const std::string path, resolve_model(options.model.model, Purpose::kText,
                                                     options.model.quiet));
  ROTOR_ASSIGN(const SourceOptions source, source_options(options.model));
  Findings f;
  ROTOR_ASSIGN(f.source, open_model_source(path, source));
  ThreadPool pool(options.model.threads != 0 ? options.model.threads : default_thread_count());
  ROTOR_ASSIGN(f.trits, trit_statistics(f.source, pool, progress_bar(options.model.quiet)));
  f.memory = plan_memory(f.source, TernaryFormat::kI2, KvType::kF16);
  f.warnings = f.source.warnings;
  for (const LayerSource& layer : f.source.layers) {
    for (const LinearSource& linear : layer.linear) {
      ++f.layouts[linear.layout];
    }
  }
  warn_of_zero_matrices(f.source, std::bind_front(&TritStatistics::all_zero, &f.trits),
                        f.warnings);
  f.end_of_generation = f.source.end_of_generation;
  if (f.source.tokenizer) {
    ROTOR_ASSIGN(const Tokenizer tokenizer, Tokenizer::create(*f.source.tokenizer));
    f.tokens = tokenizer.size();
    f.end_of_generation.insert(f.end_of_generation.end(), tokenizer.end_of_generation().begin(),
                               tokenizer.end_of_generation().end());
    std::sort(f.end_of_generation.begin(), f.end_of_generation.end());
    f.end_of_generation.erase(
        std::unique(f.end_of_generation.begin(), f.end_of_generation.end()),
        f.end_of_generation.end());
  }
  return f;
}

double share(const TritStatistics& trits, size_t i) {
  const uint64_t all = trits.total[0] + trits.total[1] + trits.total[2];
  return all == 0 ? 0.0 : static_cast<double>(trits.total[i]) / static_cast<double>(all);
}

// The decimal number that a float stands for: 0.6, and not 0.6000000238418579.
double shortest(float value) { return std::stod(fmt::format("{}", value)); }

boost::json::object recommended_sampling(const GenerationDefaults& recommended) {
  boost::json::object out;
  if (recommended.do_sample) {
    out["do_sample"] = *recommended.do_sample;
  }
  if (recommended.temperature) {
    out["temperature"] = shortest(*recommended.temperature);
  }
  if (recommended.top_p) {
    out["top_p"] = shortest(*recommended.top_p);
  }
  if (recommended.top_k) {
    out["top_k"] = *recommended.top_k;
  }
  return out;
}

// In the words of the options of rotor run.
std::string recommended_options(const GenerationDefaults& recommended) {
  if (recommended.do_sample && !*recommended.do_sample) {
    return "--temp 0";
  }
  std::string out;
  const auto add = [&](const char* option, const auto& value) {
    if (value) {
      out += fmt::format("{}{} {}", out.empty() ? "" : " ", option, *value);
    }
  };
  add("--temp", recommended.temperature);
  add("--top-p", recommended.top_p);
  add("--top-k", recommended.top_k);
  if (out.empty()) {
    return recommended.do_sample ? "the defaults" : "none";
  }
  return out;
}

void print_json(const Findings& f) {
  const ModelConfig& c = f.source.config;
  boost::json::object layouts;
  for (const auto& [layout, count] : f.layouts) {
    layouts[layout] = count;
  }
  boost::json::object memory = {{"ternary_bytes", f.memory.ternary_bytes},
                                {"embedding_bytes", f.memory.embedding_bytes},
                                {"norm_bytes", f.memory.norm_bytes},
                                {"kv_bytes_per_position", f.memory.kv_bytes_per_position},
                                {"total_bytes_2048_positions", f.memory.total(2048)},
                                {"total_bytes_4096_positions", f.memory.total(4096)},
                                {"total_bytes_32768_positions", f.memory.total(32768)}};
  boost::json::object out = {
      {"model", f.source.path},
      {"container", f.source.container},
      {"architecture", c.family},
      {"name", c.name},
      {"vocab_size", c.vocab},
      {"context_length", c.context},
      {"hidden_size", c.hidden},
      {"intermediate_size", c.ffn},
      {"num_hidden_layers", c.layers},
      {"num_attention_heads", c.heads},
      {"num_key_value_heads", c.kv_heads},
      {"head_dim", c.head_dim},
      {"activation", c.activation == Activation::kRelu2 ? "relu2" : "silu"},
      {"rope_theta", c.rope_theta},
      {"rms_norm_eps", c.rms_eps},
      {"tied_head", c.tied_head},
      {"ternary_parameters", ternary_parameters(c)},
      {"embedding_parameters", embedding_parameters(c)},
      {"embedding_type", float_type_name(f.source.embed.type)},
      {"layouts", std::move(layouts)},
      {"scale_rule", scale_rule_text(f.source)},
      {"trits",
       {{"minus", f.trits.total[0]}, {"zero", f.trits.total[1]}, {"plus", f.trits.total[2]}}},
      {"trits_sha256", f.trits.sha256},
      {"tokenizer", f.source.tokenizer ? f.source.tokenizer->source : ""},
      {"tokens", f.tokens},
      {"chat_template", f.source.chat_template},
      {"end_of_generation", boost::json::value_from(f.end_of_generation)},
      {"recommended_sampling", recommended_sampling(f.source.generation_defaults)},
      {"memory", std::move(memory)},
      {"notes", boost::json::value_from(f.source.notes)},
      {"warnings", boost::json::value_from(f.warnings)}};
  write_json(out);
}

void print_text(const Findings& f) {
  const ModelConfig& c = f.source.config;
  fmt::print("{}\n", f.source.path);
  fmt::print("  container     {}\n", f.source.container);
  fmt::print("  architecture  {} {}\n", c.family, c.name);
  fmt::print("  sizes         {} layers, hidden {}, ffn {}, {} heads, {} kv heads, head dim {}\n",
             c.layers, c.hidden, c.ffn, c.heads, c.kv_heads, c.head_dim);
  fmt::print("  context       {} positions, vocabulary {}\n", c.context, c.vocab);
  fmt::print("  parameters    {:.1f} M ternary, {:.1f} M in the embedding{}\n",
             static_cast<double>(ternary_parameters(c)) / 1e6,
             static_cast<double>(embedding_parameters(c)) / 1e6,
             c.tied_head ? " (also the head)" : " and head");
  for (const auto& [layout, count] : f.layouts) {
    fmt::print("  matrices      {} x {}, {}\n", count, layout, scale_rule_text(f.source));
  }
  fmt::print("  trits         {:.1f} % -1, {:.1f} % 0, {:.1f} % +1; sha256 {}\n",
             100 * share(f.trits, 0), 100 * share(f.trits, 1), 100 * share(f.trits, 2),
             f.trits.sha256);
  fmt::print("  embedding     {}\n", float_type_name(f.source.embed.type));
  fmt::print("  tokenizer     {}\n", f.source.tokenizer
                                         ? fmt::format("{} tokens, {}", f.tokens,
                                                       f.source.tokenizer->source)
                                         : "none");
  fmt::print("  template      {}\n", f.source.chat_template.empty()
                                         ? "none"
                                         : fmt::format("{} bytes", f.source.chat_template.size()));
  fmt::print("  stops at      {}\n", fmt::join(f.end_of_generation, ", "));
  fmt::print("  recommended   {}\n", recommended_options(f.source.generation_defaults));
  fmt::print("  memory        {} weights, {} embedding, {} a position; {} with 2048, {} with 4096\n",
             format_bytes(f.memory.ternary_bytes), format_bytes(f.memory.embedding_bytes),
             format_bytes(f.memory.kv_bytes_per_position), format_bytes(f.memory.total(2048)),
             format_bytes(f.memory.total(4096)));
  for (const std::string& note : f.source.notes) {
    fmt::print("  note          {}\n", note);
  }
  for (const std::string& warning : f.warnings) {
    fmt::print("  warning       {}\n", warning);
  }
}

Status inspect(const InspectOptions& options) {
  if (options.container) {
    ROTOR_ASSIGN(const std::string path, resolve_model(options.model.model));
    return report_container(path, options.json);
  }
  ROTOR_ASSIGN(const Findings findings, examine(options));
  if (options.json) {
    print_json(findings);
  } else {
    print_text(findings);
  }
  return {};
}

}  // namespace

void add_inspect_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* command = app.add_subcommand("inspect", "say what a model file holds");
  add_model_argument(*command, options->model);
  command->add_option("-t,--threads", options->model.threads, "threads; 0: what the machine allows")
      ->envname("ROTOR_THREADS")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--json", options->json, "print everything as JSON");
  command->add_flag("--container", options->container,
                    "look at the file's structure only, whatever it holds");
  command->add_flag("-q,--quiet", options->model.quiet, "no progress bar");
  command->footer("Examples:\n  rotor inspect\n  rotor inspect --json");
  command->callback([options, &exit_code] {
    const Status status = inspect(*options);
    exit_code = status.ok() ? kExitOk : fail(status);
  });
}

}  // namespace rotor::cli
