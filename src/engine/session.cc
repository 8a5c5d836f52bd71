// SPDX-License-Identifier: Apache-2.0
// A request from prompt to answers: reuse the cached beginning, compute the rest, then the loop the
// request asks for.
#include "engine/session.h"

#include <algorithm>
#include <chrono>

#include "engine/beam.h"
#include "engine/sample_loop.h"

namespace rotor {
namespace {

// Adds the seconds of its life to `total`.
class Stopwatch {
 public:
  explicit Stopwatch(double& total) : total_(total) {}
  ~Stopwatch() { total_ += std::chrono::duration<double>(Clock::now() - start_).count(); }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  double& total_;
  Clock::time_point start_ = Clock::now();
};

void end_before_the_first_token(const GenerationRun& run, GenerationResult& result) {
  for (size_t i = 0; i < run.request.answers; ++i) {
    result.answers.emplace_back().finish_reason = FinishReason::kCancelled;
    run.emit({i, kNoToken, {}, 0, FinishReason::kCancelled});
  }
}

}  // namespace

Session::Session(Executor& executor, SessionOptions options)
    : options_(std::move(options)), pool_(executor.kv_pool()), stepper_(executor),
      cache_(&executor.kv_pool()) {}

Result<GenerationResult> Session::generate(const GenerationRequest& request,
                                           const GenerationCallback& on_event,
                                           const CancelFlag* cancel) {
  ROTOR_TRY(validate(request, options_.vocab, options_.context));
  if (!request.stop.empty() && options_.tokenizer == nullptr) {
    return invalid_argument("stop strings need a tokenizer, and this model has none");
  }
  GenerationResult result;
  ROTOR_TRY(answer(request, on_event, cancel, result));
  return result;
}

Status Session::answer(const GenerationRequest& request, const GenerationCallback& on_event,
                       const CancelFlag* cancel, GenerationResult& result) {
  const GenerationRun run{request,  options_.vocab, options_.context, options_.tokenizer.get(),
                          on_event, cancel};
  const Result<RowLogits> logits = prefill(run, result.stats);
  if (logits.status().code() == Code::kCancelled) {
    end_before_the_first_token(run, result);
    return Status();
  }
  ROTOR_TRY(logits.status());
  const Stopwatch stopwatch(result.stats.generation_seconds);
  if (request.beam_width > 1) {
    return search_beams(run, stepper_, logits->all, cache_, result);
  }
  const Status status = sample_answers(run, stepper_, *logits, cache_, result);
  const std::vector<TokenId>& answered = result.answers.front().tokens;
  tokens_.insert(tokens_.end(), answered.begin(), answered.end());
  tokens_.resize(cache_.length());
  return status;
}

// Keys and values depend on the adapters they were computed with; so does what may be kept of them.
void Session::use_lora(const GenerationRequest& request) {
  cache_.set_lora(request.lora ? std::make_shared<const LoraSet>(*request.lora) : pool_.lora());
  truncate(cache_.length());
}

Result<RowLogits> Session::prefill(const GenerationRun& run, GenerationStats& stats) {
  const std::vector<TokenId>& prompt = run.request.prompt;
  const Stopwatch stopwatch(stats.prompt_seconds);
  use_lora(run.request);
  const size_t most = std::min(tokens_.size(), prompt.size() - 1);  // one row must give logits
  const auto differ = std::mismatch(tokens_.begin(), tokens_.begin() + static_cast<ptrdiff_t>(most),
                                    prompt.begin());
  truncate(static_cast<size_t>(differ.first - tokens_.begin()));
  stats.prompt_tokens = prompt.size();
  stats.cached_tokens = tokens_.size();
  TopQuery query;
  const bool few = run.request.beam_width == 1 && first_query(run, query);
  Result<RowLogits> logits = stepper_.prefill(cache_, std::span(prompt).subspan(tokens_.size()),
                                              run.cancel, few ? &query : nullptr);
  tokens_.assign(prompt.begin(), prompt.begin() + static_cast<ptrdiff_t>(cache_.length()));
  return logits;
}

void Session::truncate(size_t length) {
  cache_.truncate(std::min(length, tokens_.size()));  // an exception may have left it longer
  tokens_.resize(cache_.length());
}

}  // namespace rotor
