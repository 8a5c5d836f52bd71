// SPDX-License-Identifier: Apache-2.0
// Draw, step, draw, until every answer has ended.
#include "engine/sample_loop.h"

#include <vector>

#include "engine/log_softmax.h"
#include "engine/running_answer.h"
#include "engine/sampler.h"
#include "engine/speculation.h"

namespace rotor {
namespace {

// Whether a few logits are enough to draw the token after `history` in the `sample`-th answer, and
// which.
bool ask(const GenerationRun& run, const Sampler& sampler, std::span<const TokenId> history,
         size_t sample, TopQuery& query) {
  return !run.request.log_probabilities && !run.request.logits_processor &&
         sampler.query(history, static_cast<uint32_t>(sample), query);
}

// A token of logits that the request's own processor has changed in `row`, which keeps their memory.
Result<TokenId> draw_processed(const GenerationRun& run, Sampler& sampler, const RowLogits& logits,
                               const RunningAnswer& answer, std::vector<float>& row) {
  row.assign(logits.all.begin(), logits.all.end());
  ROTOR_TRY(run.request.logits_processor(answer.tokens(), row));
  return sampler.draw({row, {}}, answer.tokens(), static_cast<uint32_t>(answer.index()), true);
}

// Logits are those of the model: a log-probability does not depend on how tokens are drawn.
Status draw(const GenerationRun& run, Sampler& sampler, const RowLogits& logits,
            RunningAnswer& answer, std::vector<float>& row) {
  ROTOR_ASSIGN(const TokenId token,
               run.request.logits_processor
                   ? draw_processed(run, sampler, logits, answer, row)
                   : sampler.draw(logits, answer.tokens(), static_cast<uint32_t>(answer.index())));
  double log_probability = 0;
  if (run.request.log_probabilities) {
    log_probability = log_softmax(logits.all)(logits.all[static_cast<size_t>(token)]);
  }
  answer.accept(token, log_probability);
  return Status();
}

void end_all(std::vector<RunningAnswer>& answers, FinishReason reason) {
  for (RunningAnswer& answer : answers) {
    if (answer.live()) {
      answer.end(reason);
    }
  }
}

// A token or several for every live answer until none is left.
Status decode(const GenerationRun& run, Stepper& stepper, Sampler& sampler,
              std::vector<RunningAnswer>& answers, std::vector<float>& row, GenerationStats& stats) {
  Speculation speculation(
      run, stepper,
      [&](std::span<const TokenId> history, size_t sample, TopQuery& query) {
        return ask(run, sampler, history, sample, query);
      },
      [&](const RowLogits& logits, RunningAnswer& answer) {
        ++stats.decoded_tokens;
        return draw(run, sampler, logits, answer, row);
      });
  std::vector<RunningAnswer*> live;
  Status status;
  while (status.ok()) {
    live.clear();
    for (RunningAnswer& answer : answers) {
      if (answer.live()) {
        live.push_back(&answer);
      } else if (answer.index() > 0) {
        answer.cache().truncate(0);  // its pages serve the others
      }
    }
    if (live.empty()) {
      break;
    }
    status = speculation.step(live);
  }
  stats.drafted_tokens = speculation.drafted();
  stats.accepted_tokens = speculation.accepted();
  return status;
}

Status draw_all(const GenerationRun& run, Stepper& stepper, const RowLogits& logits,
                std::vector<RunningAnswer>& answers, GenerationStats& stats) {
  if (run.max_answer() == 0) {
    end_all(answers, FinishReason::kLength);
    return Status();
  }
  ROTOR_ASSIGN(Sampler sampler, Sampler::create(run.request.sampling, run.vocab));
  std::vector<float> row;
  for (RunningAnswer& answer : answers) {
    ROTOR_TRY(draw(run, sampler, logits, answer, row));
  }
  return decode(run, stepper, sampler, answers, row, stats);
}

}  // namespace

bool first_query(const GenerationRun& run, TopQuery& query) {
  const Result<Sampler> sampler = Sampler::create(run.request.sampling, run.vocab);
  return sampler.ok() && ask(run, *sampler, run.request.prompt, 0, query) &&
         (run.request.answers == 1 || !query.draw);  // each answer draws with noise of its own
}

Status sample_answers(const GenerationRun& run, Stepper& stepper, const RowLogits& logits,
                      KvSequence& cache, GenerationResult& result) {
  const StopMatcher stops = *StopMatcher::create(run.request.stop);  // validated
  std::vector<RunningAnswer> answers;
  answers.reserve(run.request.answers);
  answers.emplace_back(run, 0, stops, std::move(cache));
  while (answers.size() < run.request.answers) {
    answers.emplace_back(run, answers.size(), stops, answers.front().cache().fork());
  }
  Status status = draw_all(run, stepper, logits, answers, result.stats);
  if (status.code() == Code::kCancelled) {
    end_all(answers, FinishReason::kCancelled);
    status = Status();
  }
  cache = std::move(answers.front().cache());
  for (RunningAnswer& answer : answers) {
    result.answers.push_back(answer.take());
    result.stats.generated_tokens += result.answers.back().tokens.size();
  }
  return status;
}

}  // namespace rotor
