// SPDX-License-Identifier: Apache-2.0
// Beam search.
//
// Score of an answer: (sum of log-probabilities) / (tokens ^ length_penalty), the end-of-generation
// token counted. Log-probabilities: log-softmax of the logits after biases and penalties.
// Order of extensions: larger sum first, then the better beam, then the lower token id. An
// extension that ends generation becomes a finished answer only if it is among the first
// `beam_width`; the first `beam_width` others are the next beams. Of finished answers, the
// `beam_width` best are kept, ties to the one that finished first. At the length limit, running
// beams count as finished.
#include "engine/beam.h"

#include <algorithm>
#include <vector>

#include "base/exp_log.h"
#include "engine/candidates.h"
#include "engine/log_softmax.h"
#include "engine/logit_adjust.h"
#include "text/detokenizer.h"

namespace rotor {
namespace {

struct Beam {
  KvSequence cache;                       // holds all tokens but the last
  std::vector<TokenId> tokens;            // prompt and answer
  std::vector<double> log_probabilities;  // of the answer
  double sum = 0;                         // of log_probabilities
};

struct Extension {
  size_t beam;
  TokenId token;
  double log_probability;
  double sum;
};

bool better(const Extension& a, const Extension& b) {
  if (a.sum != b.sum) {
    return a.sum > b.sum;
  }
  return a.beam != b.beam ? a.beam < b.beam : a.token < b.token;
}

class BeamSearch {
 public:
  BeamSearch(const GenerationRun& run, Stepper& stepper)
      : run_(run), stepper_(stepper), adjust_(run.request.sampling, run.vocab) {}

  Status search(std::span<const float> logits, const KvSequence& cache);
  std::vector<GeneratedAnswer> take_answers();
  size_t decoded() const { return decoded_; }

 private:
  Status extend(size_t beam, std::span<const float> logits);
  void select();
  bool nothing_better_to_come() const;
  Status step();
  void finish_running(FinishReason reason);
  void finish(const Beam& beam, FinishReason reason);
  double score(double sum, size_t length) const;
  size_t width() const { return run_.request.beam_width; }

  const GenerationRun& run_;
  Stepper& stepper_;
  LogitAdjuster adjust_;
  Candidates candidates_;
  size_t length_ = 0;        // tokens of every running beam's answer
  std::vector<Beam> beams_;  // running, best first
  std::vector<Extension> extensions_;
  std::vector<GeneratedAnswer> finished_;  // best first, at most width()
  size_t decoded_ = 0;
};

Status BeamSearch::search(std::span<const float> logits, const KvSequence& cache) {
  beams_.push_back({cache.fork(), run_.request.prompt, {}});
  if (run_.max_answer() == 0) {
    finish_running(FinishReason::kLength);
    return Status();
  }
  ROTOR_TRY(extend(0, logits));
  for (;;) {
    select();
    if (nothing_better_to_come()) {
      return Status();
    }
    if (length_ == run_.max_answer()) {
      finish_running(FinishReason::kLength);
      return Status();
    }
    const Status status = step();
    if (status.code() == Code::kCancelled) {
      finish_running(FinishReason::kCancelled);
      return Status();
    }
    ROTOR_TRY(status);
  }
}

// Collects the extensions of one beam that may be selected. So many are enough for `width` that do
// not end generation, whichever tokens do.
Status BeamSearch::extend(size_t beam, std::span<const float> logits) {
  ROTOR_ASSIGN(const std::span<const float> row, adjust_.apply(logits, beams_[beam].tokens));
  const LogSoftmax log_probability = log_softmax(row);
  candidates_.assign(row,
                     width() * (1 + std::max<size_t>(1, run_.request.end_of_generation.size())));
  for (const auto& [logit, token] : candidates_.kept()) {
    const double added = log_probability(logit);
    extensions_.push_back({beam, token, added, beams_[beam].sum + added});
  }
  return Status();
}

// Turns the extensions into finished answers and the next beams.
void BeamSearch::select() {
  ++length_;
  std::sort(extensions_.begin(), extensions_.end(), better);
  std::vector<Beam> next;
  for (size_t rank = 0; rank < extensions_.size() && next.size() < width(); ++rank) {
    const Extension& extension = extensions_[rank];
    const Beam& parent = beams_[extension.beam];
    const bool ends = run_.ends_generation(extension.token);
    if (ends && rank >= width()) {
      continue;
    }
    Beam child{parent.cache.fork(), parent.tokens, parent.log_probabilities, extension.sum};
    child.tokens.push_back(extension.token);
    child.log_probabilities.push_back(extension.log_probability);
    if (ends) {
      finish(child, FinishReason::kEndOfGeneration);
    } else {
      next.push_back(std::move(child));
    }
  }
  beams_ = std::move(next);  // drops the parents' pages before the children need their own
  extensions_.clear();
}

// The rules of EarlyStopping. Sums only fall, so a sum divided by the largest ^ of the penalty that
// an answer can still reach bounds every score to come.
bool BeamSearch::nothing_better_to_come() const {
  if (beams_.empty()) {
    return true;
  }
  if (finished_.size() < width()) {
    return false;
  }
  const GenerationRequest& request = run_.request;
  if (request.early_stopping == EarlyStopping::kFirst) {
    return true;
  }
  const bool longer_is_better =
      request.early_stopping == EarlyStopping::kNever && request.length_penalty > 0;
  const size_t length = longer_is_better ? run_.max_answer() : length_;
  return finished_.back().score >= score(beams_.front().sum, length);
}

Status BeamSearch::step() {
  std::vector<Step> steps;
  for (Beam& beam : beams_) {
    steps.push_back({&beam.cache, {&beam.tokens.back(), 1}});
  }
  return stepper_.step(
      steps, run_.cancel, [this](size_t i, size_t, const RowLogits& logits) -> Result<bool> {
        ++decoded_;
        ROTOR_TRY(extend(i, logits.all));
        return false;
      });
}

void BeamSearch::finish_running(FinishReason reason) {
  for (const Beam& beam : beams_) {
    finish(beam, reason);
  }
}

void BeamSearch::finish(const Beam& beam, FinishReason reason) {
  GeneratedAnswer answer;
  answer.score = score(beam.sum, length_);
  const auto after = std::upper_bound(
      finished_.begin(), finished_.end(), answer.score,
      [](double value, const GeneratedAnswer& other) { return value > other.score; });
  if (static_cast<size_t>(after - finished_.begin()) >= width()) {
    return;
  }
  const auto prompt = static_cast<ptrdiff_t>(run_.request.prompt.size());
  answer.tokens.assign(beam.tokens.begin() + prompt, beam.tokens.end());
  answer.log_probabilities = beam.log_probabilities;
  answer.finish_reason = reason;
  finished_.insert(after, std::move(answer));
  if (finished_.size() > width()) {
    finished_.pop_back();
  }
}

double BeamSearch::score(double sum, size_t length) const {
  const double log_length = length > 1 ? portable_log(static_cast<double>(length)) : 0;
  return sum / portable_exp(run_.request.length_penalty * log_length);
}

std::vector<GeneratedAnswer> BeamSearch::take_answers() {
  if (finished_.size() > run_.request.answers) {
    finished_.resize(run_.request.answers);
  }
  return std::move(finished_);
}

std::string text_of(const GenerationRun& run, const std::vector<TokenId>& tokens) {
  std::string text;
  if (run.tokenizer != nullptr) {
    Detokenizer detokenizer(*run.tokenizer);
    for (const TokenId token : tokens) {
      if (!run.ends_generation(token)) {
        text += detokenizer.push(token);
      }
    }
    text += detokenizer.flush();
  }
  return text;
}

}  // namespace

Status search_beams(const GenerationRun& run, Stepper& stepper, std::span<const float> logits,
                    const KvSequence& cache, GenerationResult& result) {
  BeamSearch beams(run, stepper);
  ROTOR_TRY(beams.search(logits, cache));
  result.answers = beams.take_answers();
  result.stats.decoded_tokens = beams.decoded();
  for (size_t i = 0; i < result.answers.size(); ++i) {
    GeneratedAnswer& answer = result.answers[i];
    answer.text = text_of(run, answer.tokens);
    result.stats.generated_tokens += answer.tokens.size();
    if (!run.request.log_probabilities) {
      answer.log_probabilities.clear();
    }
    run.emit({i, kNoToken, answer.text, 0, answer.finish_reason});
  }
  return Status();
}

}  // namespace rotor
