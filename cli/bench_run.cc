// SPDX-License-Identifier: Apache-2.0
#include "bench_run.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <ctime>

#include "terminal.h"

namespace rotor::cli {
namespace {

TokenId bench_token(const ModelConfig& config, size_t i) {
  return static_cast<TokenId>((i * 7919 + 1) % config.vocab);
}

// Greedy, as far as the head is concerned: the tokens themselves are fixed.
const TopQuery kGreedy = {1, {}};

std::string utc_time() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

}  // namespace

Result<BenchRow> BenchRun::measure(const BenchTest& test) {
  BenchRow row;
  row.test = test;
  row.time = utc_time();
  std::vector<KvSequence> sequences;
  ROTOR_TRY(fill(test, sequences));
  if (!options_.no_warmup) {
    ROTOR_TRY(time_once(test, sequences).status());
  }
  const TwoStageCounts counts = executor_.head_counts();
  const VerbTimes times = executor_.verb_times();
  (void)energy_.joules();
  std::optional<double> joules = 0.0;
  for (size_t r = 0; r < options_.repeats; ++r) {
    ROTOR_ASSIGN(const double seconds, time_once(test, sequences));
    row.seconds.push_back(seconds);
    const std::optional<double> used = energy_.joules();
    joules = joules && used ? std::optional(*joules + *used) : std::nullopt;
  }
  if (joules) {
    row.joules_per_token = *joules / static_cast<double>(options_.repeats * test.tokens());
  }
  row.head_reads = head_reads(counts);
  add_rates(row);
  if (options_.profile && (test.prompt == 0 || test.generate == 0)) {
    row.phases = phases(times, row);
  }
  return row;
}

// The first page of each sequence is computed, the others are copies of it: reading a cache takes the
// same time whatever it holds, and computing a long one takes very much longer than the test.
Status BenchRun::fill(const BenchTest& test, std::vector<KvSequence>& sequences) {
  KvPool& pool = executor_.kv_pool();
  for (size_t i = 0; i < test.batch; ++i) {
    KvSequence& sequence = sequences.emplace_back(&pool);
    if (test.depth == 0) {
      continue;
    }
    ROTOR_TRY(compute(sequence, std::min(test.depth, kPagePositions)));
    ROTOR_TRY(sequence.extend(test.depth - sequence.length()));
    const std::byte* const first = pool.keys(sequence.page_of(0), 0, 0);
    for (size_t at = kPagePositions; at < test.depth; at += kPagePositions) {
      std::memcpy(pool.keys(sequence.page_of(at), 0, 0), first, pool.page_bytes());
    }
  }
  return {};
}

// Leaves the sequences as they were.
Result<double> BenchRun::time_once(const BenchTest& test, std::vector<KvSequence>& sequences) {
  const auto start = std::chrono::steady_clock::now();
  if (test.prompt > 0) {
    for (KvSequence& sequence : sequences) {
      ROTOR_TRY(compute(sequence, test.prompt));
    }
  }
  ROTOR_TRY(generate(sequences, test.generate));
  const auto end = std::chrono::steady_clock::now();
  for (KvSequence& sequence : sequences) {
    sequence.truncate(test.depth);
  }
  return std::chrono::duration<double>(end - start).count();
}

// `count` more tokens of a sequence; only the last one's logits, as when reading a prompt.
Status BenchRun::compute(KvSequence& sequence, size_t count) {
  const ModelConfig& config = setting_.model.config;
  const size_t end = sequence.length() + count;
  while (sequence.length() < end) {
    const size_t begin = sequence.length();
    const size_t rows = std::min(setting_.pass_rows, end - begin);
    ROTOR_TRY(sequence.extend(rows));
    Batch batch;
    for (size_t i = begin; i < begin + rows; ++i) {
      batch.rows.push_back({&sequence, i, bench_token(config, i), i + 1 == end, &kGreedy});
    }
    ROTOR_TRY(executor_.forward(batch, &interrupt_flag()));
  }
  return {};
}

// `count` tokens of all sequences together, one after the other.
Status BenchRun::generate(std::vector<KvSequence>& sequences, size_t count) {
  const ModelConfig& config = setting_.model.config;
  for (size_t step = 0; step < count; ++step) {
    Batch batch;
    for (KvSequence& sequence : sequences) {
      ROTOR_TRY(sequence.extend(1));
      const size_t position = sequence.length() - 1;
      batch.rows.push_back({&sequence, position, bench_token(config, position), true, &kGreedy});
    }
    ROTOR_TRY(executor_.forward(batch, &interrupt_flag()));
  }
  return {};
}

// What was read for a row of logits. One that was not answered read all of the head.
HeadReads BenchRun::head_reads(const TwoStageCounts& before) const {
  const TwoStageCounts after = executor_.head_counts();
  if (after.rows == before.rows) {
    return {};
  }
  const auto asked = static_cast<double>(after.rows - before.rows);
  const uint64_t whole = (after.unanswered - before.unanswered) * setting_.model.config.vocab;
  return {static_cast<double>(after.rescored - before.rescored + whole) / asked,
          static_cast<double>(after.refined - before.refined) / asked};
}

void BenchRun::add_rates(BenchRow& row) const {
  const auto tokens = static_cast<double>(row.test.tokens());
  const auto count = static_cast<double>(row.seconds.size());
  for (const double seconds : row.seconds) {
    row.tokens_per_second += tokens / seconds / count;
  }
  double squares = 0.0;
  for (const double seconds : row.seconds) {
    squares += std::pow(tokens / seconds - row.tokens_per_second, 2);
  }
  row.stddev = row.seconds.size() > 1 ? std::sqrt(squares / (count - 1)) : 0;
  row.bytes_per_token = test_bytes(setting_, row.test, row.head_reads) / tokens;
  row.gb_per_second = row.bytes_per_token * row.tokens_per_second / 1e9;
  row.tops = test_operations(setting_.model.config, row.test) / tokens * row.tokens_per_second / 1e12;
}

// What a pass has spent on each verb since `before`, and what the verb reads.
std::vector<BenchPhase> BenchRun::phases(const VerbTimes& before, const BenchRow& row) const {
  const VerbTimes after = executor_.verb_times();
  const auto passes = static_cast<double>(after.passes - before.passes);
  std::vector<BenchPhase> phases;
  for (size_t i = 0; i < kVerbs; ++i) {
    const Verb verb = static_cast<Verb>(i);
    if (verb == Verb::kRoute && setting_.model.config.experts == 0) {
      continue;
    }
    phases.push_back({verb_name(verb), (after.seconds[i] - before.seconds[i]) / passes,
                      verb_bytes(setting_, row.test, verb, row.head_reads)});
  }
  return phases;
}

}  // namespace rotor::cli
