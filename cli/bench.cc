// SPDX-License-Identifier: Apache-2.0
// rotor bench: tokens a second for prompts and for generation, beside what the memory allows.
#include <fmt/core.h>

#include <chrono>
#include <cmath>
#include <memory>
#include <vector>

#include "bench_report.h"
#include "commands.h"
#include "exit_code.h"
#include "model_options.h"
#include "read_bandwidth.h"
#include "repeated_option.h"
#include "terminal.h"

namespace rotor::cli {
namespace {

struct BenchOptions {
  ModelOptions model;
  std::string synthetic;
  size_t prompt = 512;
  size_t generate = 128;
  std::vector<size_t> threads;
  std::vector<size_t> batch = {1};
  size_t repeats = 5;
  std::string output = "md";
  bool profile = false;
};

// The memory that one pass reads: all ternary matrices and the head, or its coarse form.
std::vector<std::span<const std::byte>> weight_memory(const Model& model) {
  const Weights& w = model.weights;
  std::vector<std::span<const std::byte>> areas;
  const auto add = [&](const Buffer& buffer) { areas.emplace_back(buffer.data(), buffer.size()); };
  add(w.packed);
  add(w.head_plane.rows != 0 ? w.head_plane.codes : w.head_matrix().data);
  return areas;
}

double weight_bytes(const Model& model) {
  size_t bytes = 0;
  for (const std::span<const std::byte> area : weight_memory(model)) {
    bytes += area.size();
  }
  return static_cast<double>(bytes);
}

double packed_bytes_of(const Linear& linear) {
  const TernaryMatrix& matrix = linear.matrix;
  return static_cast<double>(packed_bytes(matrix.format, matrix.rows, matrix.cols));
}

// Bytes of weights that a verb reads in a pass.
double verb_weight_bytes(const Model& model, Verb verb) {
  const Weights& w = model.weights;
  if (verb == Verb::kLogits) {
    const Buffer& head = w.head_plane.rows != 0 ? w.head_plane.codes : w.head_matrix().data;
    return static_cast<double>(head.size());
  }
  double bytes = 0;
  for (const LayerWeights& layer : w.layers) {
    switch (verb) {
      case Verb::kQkv:
        bytes += packed_bytes_of(layer.q) + packed_bytes_of(layer.k) + packed_bytes_of(layer.v);
        break;
      case Verb::kAttnOut: bytes += packed_bytes_of(layer.o); break;
      case Verb::kFfnGateUp: bytes += packed_bytes_of(layer.gate) + packed_bytes_of(layer.up); break;
      case Verb::kFfnDown: bytes += packed_bytes_of(layer.down); break;
      default: break;
    }
  }
  return bytes;
}

// Read bandwidth over the very weights where they are too large for the caches, so that no second
// buffer of their size is needed; over a buffer made for it otherwise.
Result<double> available_bandwidth(const Model& model, size_t threads) {
  constexpr double kBeyondCaches = 256e6;
  constexpr size_t kRepeats = 5;
  if (weight_bytes(model) < kBeyondCaches) {
    return measure_read_bandwidth(threads, kRepeats);
  }
  return measure_read_bandwidth(threads, kRepeats, weight_memory(model));
}

TokenId bench_token(const ModelConfig& config, size_t i) {
  return static_cast<TokenId>((i * 7919 + 1) % config.vocab);
}

// Greedy, as far as the head is concerned: the tokens themselves are fixed.
const TopQuery kGreedy = {1, {}};

// Computes `count` tokens of `sequence`; only the last one's logits, as when reading a prompt.
Status prefill(Executor& executor, const ModelConfig& config, KvSequence& sequence, size_t count) {
  while (sequence.length() < count) {
    const size_t begin = sequence.length();
    const size_t rows = std::min(executor.max_batch(), count - begin);
    ROTOR_TRY(sequence.extend(rows));
    Batch batch;
    for (size_t i = begin; i < begin + rows; ++i) {
      batch.rows.push_back({&sequence, i, bench_token(config, i), i + 1 == count, &kGreedy});
    }
    ROTOR_TRY(executor.forward(batch, &interrupt_flag()));
  }
  return {};
}

Status decode(Executor& executor, const ModelConfig& config, std::vector<KvSequence>& sequences,
              size_t count) {
  for (size_t step = 0; step < count; ++step) {
    Batch batch;
    for (KvSequence& sequence : sequences) {
      ROTOR_TRY(sequence.extend(1));
      const size_t position = sequence.length() - 1;
      batch.rows.push_back({&sequence, position, bench_token(config, position), true, &kGreedy});
    }
    ROTOR_TRY(executor.forward(batch, &interrupt_flag()));
  }
  return {};
}

class Bench {
 public:
  Bench(const BenchOptions& options, const Model& model, Executor& executor, size_t threads)
      : options_(options), model_(model), executor_(executor), threads_(threads) {}

  Result<BenchRow> measure(size_t batch, size_t prompt, size_t generate) {
    std::vector<double> rates;
    const TwoStageCounts before = executor_.head_counts();
    const VerbTimes times = executor_.verb_times();
    for (size_t r = 0; r < options_.repeats + 1; ++r) {
      ROTOR_ASSIGN(const double seconds, time_once(batch, prompt, generate));
      if (r > 0) {  // the first pass warms up
        rates.push_back(static_cast<double>(batch * (prompt + generate)) / seconds);
      }
    }
    BenchRow row{threads_, batch, prompt, generate, 0, 0, 0, 0, 0, 0, {}};
    double sum = 0.0;
    for (const double rate : rates) {
      sum += rate;
    }
    row.tokens_per_second = sum / static_cast<double>(rates.size());
    double squares = 0.0;
    for (const double rate : rates) {
      squares += (rate - row.tokens_per_second) * (rate - row.tokens_per_second);
    }
    row.stddev = rates.size() > 1 ? std::sqrt(squares / static_cast<double>(rates.size() - 1)) : 0;
    row.head_rows = head_rows(before, executor_.head_counts());
    row.bytes_per_token = bytes_per_token(batch, prompt, generate, row.head_rows);
    row.gb_per_second = row.bytes_per_token * row.tokens_per_second / 1e9;
    if (options_.profile) {
      row.phases = phases(times, executor_.verb_times(), row);
    }
    return row;
  }

 private:
  Result<double> time_once(size_t batch, size_t prompt, size_t generate) {
    std::vector<KvSequence> sequences;
    for (size_t i = 0; i < batch; ++i) {
      sequences.emplace_back(&executor_.kv_pool());
    }
    const auto start = std::chrono::steady_clock::now();
    if (generate == 0) {
      for (KvSequence& sequence : sequences) {
        ROTOR_TRY(prefill(executor_, model_.config, sequence, prompt));
      }
    } else {
      ROTOR_TRY(decode(executor_, model_.config, sequences, generate));
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  // Rows of the head read for one token between two counts. One that was not answered read them all.
  double head_rows(const TwoStageCounts& before, const TwoStageCounts& after) const {
    if (after.rows == before.rows) {
      return 0;
    }
    const auto whole = static_cast<double>((after.unanswered - before.unanswered) *
                                           model_.config.vocab);
    return (static_cast<double>(after.rescored - before.rescored) + whole) /
           static_cast<double>(after.rows - before.rows);
  }

  double bytes_per_token(size_t batch, size_t prompt, size_t generate, double head_rows) const {
    if (generate == 0) {
      const double rows = static_cast<double>(std::min(prompt, executor_.max_batch()));
      return weight_bytes(model_) / rows;
    }
    return weight_bytes(model_) / static_cast<double>(batch) +
           position_bytes() * static_cast<double>(generate) / 2 +
           head_rows * static_cast<double>(model_.weights.head_matrix().row_bytes());
  }

  double position_bytes() const {
    const ModelConfig& c = model_.config;
    return static_cast<double>(c.layers * 2 * c.kv_rows()) * (options_.model.kv == "f32" ? 4 : 2);
  }

  // What a pass spent on each verb between two readings, and what the verb reads.
  std::vector<BenchPhase> phases(const VerbTimes& before, const VerbTimes& after,
                                 const BenchRow& row) const {
    const auto passes = static_cast<double>(after.passes - before.passes);
    const auto mean_position = static_cast<double>(row.prompt + row.generate) / 2;
    std::vector<BenchPhase> phases;
    for (size_t i = 0; i < kVerbs; ++i) {
      const Verb verb = static_cast<Verb>(i);
      double bytes = verb_weight_bytes(model_, verb);
      if (verb == Verb::kAttend && row.generate > 0) {  // a prompt's cache is read from caches
        bytes = position_bytes() * mean_position * static_cast<double>(row.batch);
      } else if (verb == Verb::kLogits) {
        bytes += row.head_rows *
                 static_cast<double>(row.batch * model_.weights.head_matrix().row_bytes());
      }
      phases.push_back({verb_name(verb), (after.seconds[i] - before.seconds[i]) / passes, bytes});
    }
    return phases;
  }

  const BenchOptions& options_;
  const Model& model_;
  Executor& executor_;
  size_t threads_;
};

Status bench(BenchOptions options) {
  if (!options.synthetic.empty()) {
    options.model.model = "synthetic:" + options.synthetic;
  }
  if (options.threads.empty()) {
    options.threads = {default_thread_count()};
  }
  const size_t most = *std::max_element(options.batch.begin(), options.batch.end());
  const size_t longest = std::max(options.prompt, options.generate);
  options.model.threads = options.threads.front();
  options.model.context = std::max<size_t>(longest, 1);
  BenchReport report;
  ROTOR_ASSIGN(LoadedModel loaded, load(options.model, most, std::max<size_t>(128, most)));
  const std::shared_ptr<const Model> model = loaded.model;
  ROTOR_ASSIGN(const IsaLevel isa, selected_isa());
  report.model = options.synthetic.empty() ? model->path : options.synthetic;
  report.isa = isa_name(isa);
  report.format = format_info(model->weights.layers[0].q.matrix.format).name;
  report.head = model->weights.head_plane.rows != 0 ? "two-stage" : "full";
  report.load_seconds = loaded.load_seconds;
  loaded.executor.reset();
  for (const size_t threads : options.threads) {
    ROTOR_ASSIGN(const double before, available_bandwidth(*model, threads));
    CpuExecutorOptions executor_options;
    executor_options.threads = threads;
    executor_options.max_batch = std::max<size_t>(128, most);
    executor_options.kv_positions = options.model.context;
    executor_options.kv_sequences = most;
    executor_options.kv_type = options.model.kv == "f32" ? KvType::kF32 : KvType::kF16;
    executor_options.isa = isa;
    executor_options.measure = options.profile;
    ROTOR_ASSIGN(const std::unique_ptr<Executor> executor,
                 make_cpu_executor(model, executor_options));
    Bench run(options, *model, *executor, threads);
    std::vector<BenchRow> rows;
    if (options.prompt > 0) {
      ROTOR_ASSIGN(const BenchRow row, run.measure(1, options.prompt, 0));
      rows.push_back(row);
    }
    for (const size_t batch : options.batch) {
      if (options.generate > 0) {
        ROTOR_ASSIGN(const BenchRow row, run.measure(batch, 0, options.generate));
        rows.push_back(row);
      }
    }
    // Before and after: what others do on the machine comes and goes, and the limit is the better one.
    ROTOR_ASSIGN(const double after, available_bandwidth(*model, threads));
    for (BenchRow& row : rows) {
      row.available_gb_per_second = std::max(before, after) / 1e9;
      report.rows.push_back(row);
    }
  }
  print_report(report, options.output);
  return {};
}

}  // namespace

void add_bench_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command = app.add_subcommand("bench", "measure speed beside what the memory allows");
  add_model_argument(*command, options->model);
  add_weights_option(*command, options->model);
  command->add_option("--synthetic", options->synthetic,
                      "random weights in a published shape: bitnet-2b-4t, tiny");
  command->add_option("-p,--n-prompt", options->prompt, "tokens of the prompt; 0: none")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  command->add_option("-n,--n-gen", options->generate, "tokens to generate; 0: none")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  add_numbers<size_t>(*command, "-t,--threads", options->threads, "thread counts, such as 1,2", 1,
                      1024);
  add_numbers<size_t>(*command, "-b,--batch", options->batch,
                      "sequences generated at once, such as 1,4,16", 1, 1024)
      ->default_str("1");
  command->add_option("-r,--repeats", options->repeats, "measured repetitions, after one to warm up")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("-o,--output", options->output, "md, csv or json")
      ->check(CLI::IsMember({"md", "csv", "json"}))
      ->capture_default_str();
  command->add_flag("--profile", options->profile,
                    "also the time of each phase of the decoder, and what it reads");
  command->add_option("--kv", options->model.kv, "type of the key/value cache")
      ->check(CLI::IsMember({"f16", "f32"}))
      ->capture_default_str();
  command->add_flag("-q,--quiet", options->model.quiet, "no progress bar");
  command->footer("Example:\n  rotor bench -p 128 -n 32 -t 1,2 -r 3");
  command->callback([options, &exit_code] {
    const Status status = bench(*options);
    exit_code = status.ok() ? kExitOk : fail(status);
  });
}

}  // namespace rotor::cli
