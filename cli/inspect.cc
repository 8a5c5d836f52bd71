// SPDX-License-Identifier: Apache-2.0
// rotor inspect: what a model file holds, for a person and as JSON.
#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
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
#include "read_bandwidth.h"
#include "terminal.h"

namespace rotor::cli {
namespace {

constexpr size_t kProbeRepeats = 2;  // of the reading of memory

struct InspectOptions {
  ModelOptions model;
  bool json = false;
  bool container = false;
};

struct Findings {
  ModelSource source;
  bool floats = false;                     // the matrices are, and there are no trits
  TritStatistics trits;
  MemoryPlan memory;
  std::map<std::string, size_t> layouts;   // layout of matrices, and how many have it
  std::vector<size_t> dead_channels;       // of each layer
  double bytes_per_second = 0.0;           // that this machine reads; 0 where there is no memory to tell
  size_t threads = 0;
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
  f.threads = options.model.threads != 0 ? options.model.threads : default_thread_count();
  if (const auto measured = measure_read_bandwidth(f.threads, kProbeRepeats); measured.ok()) {
    f.bytes_per_second = *measured;
  }
  ThreadPool pool(f.threads);
  f.warnings = f.source.warnings;
  f.floats = has_float_matrices(f.source);
  if (!f.floats) {
    ROTOR_ASSIGN(f.trits, trit_statistics(f.source, pool, progress_bar(options.model.quiet)));
    f.dead_channels = dead_channels(f.trits, f.source.layers.size());
    warn_of_zero_matrices(f.source, std::bind_front(&TritStatistics::all_zero, &f.trits),
                          f.warnings);
  }
  f.memory = plan_memory(f.source, TernaryFormat::kI2, KvType::kF16);
  for (const LayerSource& layer : f.source.layers) {
    for (const LinearSource& linear : layer.linear) {
      ++f.layouts[linear.layout];
    }
  }
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

using TritCounts = std::array<uint64_t, 3>;

double share(const TritCounts& counts, size_t i) {
  const uint64_t all = counts[0] + counts[1] + counts[2];
  return all == 0 ? 0.0 : static_cast<double>(counts[i]) / static_cast<double>(all);
}

constexpr std::array<const char*, kLinearRoles> kRoleNames = {"q",    "k",  "v",   "o",
                                                              "gate", "up", "down"};

// The counts of all matrices of a role.
TritCounts counts_of(const Findings& f, size_t role) {
  TritCounts sum = {0, 0, 0};
  for (size_t i = role; i < f.trits.histogram.size(); i += kLinearRoles) {
    for (size_t t = 0; t < sum.size(); ++t) {
      sum[t] += f.trits.histogram[i][t];
    }
  }
  return sum;
}

// Bytes that writing a token reads with nothing in the cache, as bench --plan counts them.
uint64_t bytes_per_token(const Findings& f) {
  const FloatSource& head = f.source.head ? *f.source.head : f.source.embed;
  const uint64_t whole = uint64_t{head.rows} * float_row_bytes(head.type, head.cols);
  return matrix_bytes_of_token(f.memory, f.source.config) + std::min(whole, f.memory.embedding_bytes);
}
double most_tokens_per_second(const Findings& f) {
  return f.bytes_per_second / static_cast<double>(bytes_per_token(f));
}

boost::json::object trits_json(const TritCounts& counts) {
  return {{"minus", counts[0]}, {"zero", counts[1]}, {"plus", counts[2]},
          {"entropy_bits", trit_entropy(counts)}};
}

// Of all matrices, and of those of each role; null where the matrices are floats.
boost::json::value all_trits_json(const Findings& f) {
  if (f.floats) {
    return nullptr;
  }
  boost::json::object by_role;
  for (size_t role = 0; role < kLinearRoles; ++role) {
    by_role[kRoleNames[role]] = trits_json(counts_of(f, role));
  }
  boost::json::object trits = trits_json(f.trits.total);
  trits["by_matrix"] = std::move(by_role);
  return trits;
}

boost::json::value i2s_json(const ModelSource& source) {
  if (!source.i2s) {
    return nullptr;
  }
  boost::json::object evidence;
  for (const I2sLayout layout : {I2sLayout::k128, I2sLayout::k64, I2sLayout::k1x4}) {
    const I2sEvidence& e = source.i2s->evidence[static_cast<size_t>(layout)];
    evidence[i2s_layout_name(layout)] = {{"gains", e.gains},
                                         {"norms", e.norms},
                                         {"dead_rows", e.dead_rows},
                                         {"dead_columns", e.dead_columns},
                                         {"dead_both", e.dead_both}};
  }
  return {{"layout", i2s_layout_name(source.i2s->layout)},
          {"decided_by", i2s_choice_name(source.i2s->by)},
          {"evidence", std::move(evidence)}};
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
                                {"router_bytes", f.memory.router_bytes},
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
      {"activation", activation_name(c.activation)},
      {"rope_theta", c.rope_theta},
      {"rope_scaling", rope_scaling_name(c.rope_scaling.type)},
      {"rms_norm_eps", c.rms_eps},
      {"attn_sub_norm", c.attn_sub_norm},
      {"ffn_sub_norm", c.ffn_sub_norm},
      {"qk_norm", c.qk_norm},
      {"input_norms", c.input_norms},
      {"post_norms", c.post_norms},
      {"attention_window", c.attention_window},
      {"global_every", c.global_every},
      {"rotary_dims", c.turned_dims()},
      {"global_unturned", c.global_unturned},
      {"experts", c.experts},
      {"experts_used", c.experts_used},
      {"gate_limit", c.gate_limit},
      {"activations", c.float_activations ? "float" : "int8"},
      {"embed_scale", c.embed_scale},
      {"residual_scale", c.residual_scale},
      {"head_divisor", c.head_divisor},
      {"pooling", pooling_name(c.pooling)},
      {"tied_head", c.tied_head},
      {"ternary_parameters", f.floats ? 0 : ternary_parameters(c)},
      {"ternary_parameters_of_token", f.floats ? 0 : parameters_of_token(c)},
      {"embedding_parameters", embedding_parameters(c)},
      {"embedding_type", float_type_name(f.source.embed.type)},
      {"layouts", std::move(layouts)},
      {"scale_rule", scale_rule_text(f.source)},
      {"i2s_layout", i2s_json(f.source)},
      {"trits", all_trits_json(f)},
      {"dead_channels", boost::json::value_from(f.dead_channels)},
      {"duplicate_head", f.source.duplicate_head},
      {"trits_sha256", f.trits.sha256},
      {"tokenizer", f.source.tokenizer ? f.source.tokenizer->source : ""},
      {"tokenizer_model",
       f.source.tokenizer ? std::string(tokenizer_model_name(f.source.tokenizer->model)) : ""},
      {"tokens", f.tokens},
      {"chat_template", f.source.chat_template},
      {"end_of_generation", boost::json::value_from(f.end_of_generation)},
      {"recommended_sampling", recommended_sampling(f.source.generation_defaults)},
      {"memory", std::move(memory)},
      {"decode_limit",
       {{"threads", f.threads},
        {"bytes_per_token", bytes_per_token(f)},
        {"read_bytes_per_second", f.bytes_per_second},
        {"tokens_per_second", most_tokens_per_second(f)}}},
      {"notes", boost::json::value_from(f.source.notes)},
      {"warnings", boost::json::value_from(f.warnings)}};
  write_json(out);
}

std::string trits_text(const TritCounts& counts) {
  return fmt::format("{:.1f} % -1, {:.1f} % 0, {:.1f} % +1, {:.3f} bits each", 100 * share(counts, 0),
                     100 * share(counts, 1), 100 * share(counts, 2), trit_entropy(counts));
}

// "none", or "12 in layer 1, 3 in layer 2"
std::string dead_text(const std::vector<size_t>& dead) {
  std::string out;
  for (size_t layer = 0; layer < dead.size(); ++layer) {
    if (dead[layer] != 0) {
      out += fmt::format("{}{} in layer {}", out.empty() ? "" : ", ", dead[layer], layer);
    }
  }
  return out.empty() ? "none" : out;
}

void print_text(const Findings& f) {
  const ModelConfig& c = f.source.config;
  fmt::print("{}\n", f.source.path);
  fmt::print("  container     {}\n", f.source.container);
  fmt::print("  architecture  {} {}\n", c.family, c.name);
  fmt::print("  sizes         {} layers, hidden {}, ffn {}, {} heads, {} kv heads, head dim {}\n",
             c.layers, c.hidden, c.ffn, c.heads, c.kv_heads, c.head_dim);
  fmt::print("  layers        {}{}{}{}{}, rotary base {:g}, scaling {}\n",
             activation_name(c.activation), c.attn_sub_norm ? ", norms before o and down" : "",
             c.qk_norm ? ", norms of the heads of q and k" : "",
             c.input_norms ? ", a norm for each matrix" : "",
             c.post_norms ? ", norms after attention and feed-forward" : "", c.rope_theta,
             rope_scaling_name(c.rope_scaling.type));
  if (c.embed_scale != 1.0f || c.residual_scale != 1.0f || c.head_divisor != 1.0f) {
    fmt::print("  multipliers   embedding {:g}, added by half layers {:g}, head 1/{:g}\n", c.embed_scale,
               c.residual_scale, c.head_divisor);
  }
  if (c.experts != 0) {
    fmt::print("  experts       {} experts, {} for a token, gate and up bounded by {:g}\n", c.experts,
               c.experts_used, c.gate_limit);
  }
  if (c.attention_window != 0) {
    fmt::print("  windows       {} positions{}; {} of {} dimensions of a head are turned{}\n",
               c.attention_window,
               c.global_every == 0 ? "" : fmt::format(", all in every {}th layer", c.global_every),
               c.turned_dims(), c.head_dim, c.global_unturned ? ", in layers with a window alone" : "");
  }
  fmt::print("  context       {} positions, vocabulary {}\n", c.context, c.vocab);
  const std::string of_token =
      c.experts == 0 ? "" : fmt::format(" ({:.1f} M for a token)", static_cast<double>(parameters_of_token(c)) / 1e6);
  fmt::print("  parameters    {:.1f} M {}{}, {:.1f} M in the embedding{}\n",
             static_cast<double>(ternary_parameters(c)) / 1e6, f.floats ? "in floats" : "ternary", of_token,
             static_cast<double>(embedding_parameters(c)) / 1e6,
             c.tied_head ? " (also the head)" : " and head");
  for (const auto& [layout, count] : f.layouts) {
    fmt::print("  matrices      {} x {}, {}\n", count, layout, scale_rule_text(f.source));
  }
  fmt::print("  activations   {}\n", c.float_activations ? "float" : "int8, one scale a token");
  if (!f.floats) {
    fmt::print("  trits         {}; sha256 {}\n", trits_text(f.trits.total), f.trits.sha256);
    for (size_t role = 0; role < kLinearRoles; ++role) {
      fmt::print("    {:<11} {}\n", kRoleNames[role], trits_text(counts_of(f, role)));
    }
    fmt::print("  dead channels {}\n", dead_text(f.dead_channels));
  }
  fmt::print("  embedding     {}\n", float_type_name(f.source.embed.type));
  fmt::print("  tokenizer     {}\n", f.source.tokenizer
                                         ? fmt::format("{} tokens, {}, {}", f.tokens,
                                                       tokenizer_model_name(
                                                           f.source.tokenizer->model),
                                                       f.source.tokenizer->source)
                                         : "none");
  fmt::print("  template      {}\n", f.source.chat_template.empty()
                                         ? "none"
                                         : fmt::format("{} bytes", f.source.chat_template.size()));
  fmt::print("  stops at      {}\n", fmt::join(f.end_of_generation, ", "));
  fmt::print("  recommended   {}\n", recommended_options(f.source.generation_defaults));
  fmt::print("  memory        {} weights, {} embedding and head, {} a position; {} with 2048, {} with "
             "4096, {} with 32768\n",
             format_bytes(f.memory.ternary_bytes), format_bytes(f.memory.embedding_bytes),
             format_bytes(f.memory.kv_bytes_per_position), format_bytes(f.memory.total(2048)),
             format_bytes(f.memory.total(4096)), format_bytes(f.memory.total(32768)));
  if (f.bytes_per_second > 0.0) {
    fmt::print("  decode limit  {:.3g} tokens/s: {} a token at {:.1f} GB/s, {} threads\n",
               most_tokens_per_second(f), format_bytes(bytes_per_token(f)), f.bytes_per_second / 1e9,
               f.threads);
  }
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
