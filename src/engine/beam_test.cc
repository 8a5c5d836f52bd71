// SPDX-License-Identifier: Apache-2.0
// Beam search against the search over all sequences, and against a direct transcription of its
// written rules without cache or batches.
#include "engine/beam.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/fake_executor.h"
#include "engine/log_softmax.h"
#include "engine/test_vocabulary.h"

namespace rotor {
namespace {

constexpr size_t kVocab = 5;
constexpr TokenId kEnd = 0;
using Tokens = std::vector<TokenId>;

GenerationRequest make_request(size_t width, size_t length, float length_penalty) {
  GenerationRequest request;
  request.prompt = {1, 2, 3};
  request.max_new_tokens = length;
  request.end_of_generation = {kEnd};
  request.beam_width = width;
  request.answers = width;
  request.length_penalty = length_penalty;
  return request;
}

std::vector<GeneratedAnswer> search(const GenerationRequest& request, size_t max_batch = 64) {
  FakeExecutor executor(kVocab, max_batch, 800);
  const GenerationCallback no_events;
  const GenerationRun run{request, kVocab, 100, nullptr, no_events, nullptr};
  Stepper stepper(executor);
  KvSequence cache(&executor.kv_pool());
  const auto logits = stepper.prefill(cache, request.prompt, nullptr);
  GenerationResult result;
  const Status status = search_beams(run, stepper, logits->all, cache, result);
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(executor.kv_pool().free_pages() + 1, executor.kv_pool().pages());
  return result.answers;
}

// Every answer there is and its score: those that end and those that reach the length.
void enumerate(const GenerationRequest& request, Tokens& tokens, double sum,
               std::map<Tokens, double>& scores) {
  const std::vector<float> logits = fake_logits(tokens, kVocab);
  const LogSoftmax log_probability = log_softmax(logits);
  for (TokenId token = 0; token < static_cast<TokenId>(kVocab); ++token) {
    tokens.push_back(token);
    const double total = sum + log_probability(logits[static_cast<size_t>(token)]);
    const size_t length = tokens.size() - request.prompt.size();
    if (token == kEnd || length == request.max_new_tokens) {
      const Tokens answer(tokens.begin() + 3, tokens.end());
      scores[answer] = total / std::pow(static_cast<double>(length), request.length_penalty);
    } else {
      enumerate(request, tokens, total, scores);
    }
    tokens.pop_back();
  }
}

TEST(BeamSearch, WideEnoughItFindsTheBestOfAll) {
  for (const float length_penalty : {-1.0f, 0.0f, 0.7f, 1.0f, 2.0f}) {
    for (TokenId variant = 0; variant < 5; ++variant) {
      GenerationRequest request = make_request(kMaxAnswers, 3, length_penalty);
      request.prompt = {1, 2, variant};  // of 85 answers
      request.early_stopping = EarlyStopping::kNever;
      std::map<Tokens, double> scores;
      Tokens tokens = request.prompt;
      enumerate(request, tokens, 0, scores);
      std::vector<std::pair<double, Tokens>> best;
      for (const auto& [answer, score] : scores) {
        best.emplace_back(-score, answer);
      }
      std::sort(best.begin(), best.end());
      const std::vector<GeneratedAnswer> answers = search(request);
      ASSERT_EQ(answers.size(), best.size());
      for (size_t i = 0; i < answers.size(); ++i) {
        ASSERT_EQ(answers[i].tokens, best[i].second) << length_penalty << " " << i;
        EXPECT_NEAR(answers[i].score, -best[i].first, 1e-12);
      }
    }
  }
}

// The rules of beam.cc in a few lines: whole prefixes instead of caches, one after the other.
std::vector<Tokens> plain_search(const GenerationRequest& request) {
  struct Prefix {
    Tokens tokens;
    double sum;
  };
  struct Finished {
    double score;
    Tokens tokens;
  };
  const size_t width = request.beam_width;
  std::vector<Prefix> beams = {{{}, 0}};
  std::vector<Finished> finished;
  const auto score = [&](double sum, size_t length) {
    return sum / std::pow(static_cast<double>(length), request.length_penalty);
  };
  const auto finish = [&](const Prefix& prefix) {
    finished.push_back({score(prefix.sum, prefix.tokens.size()), prefix.tokens});
    std::stable_sort(finished.begin(), finished.end(),
                     [](const Finished& a, const Finished& b) { return a.score > b.score; });
    finished.resize(std::min(width, finished.size()));
  };
  for (size_t length = 1; !beams.empty(); ++length) {
    std::vector<Prefix> extensions;
    for (const Prefix& beam : beams) {
      Tokens text = request.prompt;
      text.insert(text.end(), beam.tokens.begin(), beam.tokens.end());
      const std::vector<float> logits = fake_logits(text, kVocab);
      for (size_t token = 0; token < kVocab; ++token) {
        extensions.push_back({beam.tokens, beam.sum + log_softmax(logits)(logits[token])});
        extensions.back().tokens.push_back(static_cast<TokenId>(token));
      }
    }
    std::stable_sort(extensions.begin(), extensions.end(),
                     [](const Prefix& a, const Prefix& b) { return a.sum > b.sum; });
    beams.clear();
    for (size_t rank = 0; rank < extensions.size() && beams.size() < width; ++rank) {
      if (extensions[rank].tokens.back() != kEnd) {
        beams.push_back(extensions[rank]);
      } else if (rank < width) {
        finish(extensions[rank]);
      }
    }
    if (finished.size() == width && !beams.empty()) {
      const bool at_the_limit =
          request.early_stopping == EarlyStopping::kNever && request.length_penalty > 0;
      const double hope = score(beams[0].sum, at_the_limit ? request.max_new_tokens : length);
      if (request.early_stopping == EarlyStopping::kFirst || finished.back().score >= hope) {
        break;
      }
    }
    if (length == request.max_new_tokens) {
      for (const Prefix& beam : beams) {
        finish(beam);
      }
      break;
    }
  }
  std::vector<Tokens> answers;
  for (const Finished& answer : finished) {
    answers.push_back(answer.tokens);
  }
  return answers;
}

TEST(BeamSearch, FollowsItsRulesAtEveryWidthAndBatch) {
  std::map<EarlyStopping, std::vector<Tokens>> by_rule;
  for (const EarlyStopping rule :
       {EarlyStopping::kHeuristic, EarlyStopping::kFirst, EarlyStopping::kNever}) {
    for (const size_t width : {2, 3, 4, 7}) {
      for (const float length_penalty : {0.0f, 1.0f, 2.0f}) {
        for (const size_t length : {1, 2, 9, 10, 11}) {
          GenerationRequest request = make_request(width, length, length_penalty);
          request.early_stopping = rule;
          request.prompt.back() = static_cast<TokenId>(width + length) % 5;
          const std::vector<Tokens> want = plain_search(request);
          for (const size_t max_batch : {1, 3, 64}) {
            const std::vector<GeneratedAnswer> answers = search(request, max_batch);
            ASSERT_EQ(answers.size(), want.size());
            for (size_t i = 0; i < want.size(); ++i) {
              EXPECT_EQ(answers[i].tokens, want[i]);
              by_rule[rule].push_back(answers[i].tokens);
            }
          }
        }
      }
    }
  }
  // The rules are told apart by these cases.
  EXPECT_NE(by_rule[EarlyStopping::kHeuristic], by_rule[EarlyStopping::kFirst]);
  EXPECT_NE(by_rule[EarlyStopping::kHeuristic], by_rule[EarlyStopping::kNever]);
}

TEST(BeamSearch, TiesGoToTheBetterBeamAndTheLowerToken) {
  FakeExecutor executor(kVocab, 64, 50);
  executor.make_logits = [](const Tokens&) { return std::vector<float>(kVocab, 1.0f); };
  GenerationRequest request = make_request(3, 2, 1);
  request.end_of_generation.clear();
  const GenerationCallback no_events;
  const GenerationRun run{request, kVocab, 100, nullptr, no_events, nullptr};
  Stepper stepper(executor);
  KvSequence cache(&executor.kv_pool());
  const auto logits = stepper.prefill(cache, request.prompt, nullptr);
  GenerationResult result;
  ASSERT_TRUE(search_beams(run, stepper, logits->all, cache, result).ok());
  ASSERT_EQ(result.answers.size(), 3u);
  EXPECT_EQ(result.answers[0].tokens, (Tokens{0, 0}));
  EXPECT_EQ(result.answers[1].tokens, (Tokens{0, 1}));
  EXPECT_EQ(result.answers[2].tokens, (Tokens{0, 2}));
}

TEST(BeamSearch, FewerAnswersThanBeamsAreTheBest) {
  GenerationRequest request = make_request(4, 6, 1);
  const std::vector<GeneratedAnswer> all = search(request);
  request.answers = 2;
  const std::vector<GeneratedAnswer> two = search(request);
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(two[0].tokens, all[0].tokens);
  EXPECT_EQ(two[1].tokens, all[1].tokens);
  EXPECT_GE(all[0].score, all[1].score);
}

TEST(BeamSearch, BiasesAndPenaltiesCount) {
  GenerationRequest request = make_request(3, 5, 1);
  request.sampling.logit_bias = {{kEnd, -INFINITY}, {2, -INFINITY}};
  for (const GeneratedAnswer& answer : search(request)) {
    EXPECT_EQ(answer.tokens.size(), 5u);
    EXPECT_EQ(std::count(answer.tokens.begin(), answer.tokens.end(), 2), 0);
    EXPECT_EQ(answer.finish_reason, FinishReason::kLength);
  }
  request.sampling.presence_penalty = 50;  // three tokens are left, none twice before all were used
  const Tokens best = search(request)[0].tokens;
  EXPECT_EQ(best.size(), 5u);
  EXPECT_EQ(best[0], 4);  // 1 and 3 are in the prompt
}

TEST(BeamSearch, LogProbabilitiesAddUpToTheScore) {
  GenerationRequest request = make_request(3, 7, 0);
  request.log_probabilities = true;
  for (const GeneratedAnswer& answer : search(request)) {
    double sum = 0;
    for (const double log_probability : answer.log_probabilities) {
      sum += log_probability;
    }
    EXPECT_EQ(sum, answer.score);
    EXPECT_EQ(answer.log_probabilities.size(), answer.tokens.size());
  }
}

TEST(BeamSearch, CancelledTheBestBeamsSoFarAreTheAnswers) {
  CancelFlag cancel;
  FakeExecutor executor(kTestVocab, 64, 50);
  executor.before_pass = [&](size_t pass) {
    if (pass == 3) {
      cancel.cancel();
    }
  };
  GenerationRequest request = make_request(2, 20, 1);
  request.end_of_generation.clear();
  std::vector<GenerationEvent> events;
  std::string text;
  const GenerationCallback keep = [&](const GenerationEvent& event) {
    events.push_back(event);
    text += event.text;
  };
  const auto tokenizer = test_tokenizer();
  const GenerationRun run{request, kTestVocab, 100, tokenizer.get(), keep, &cancel};
  Stepper stepper(executor);
  KvSequence cache(&executor.kv_pool());
  const auto logits = stepper.prefill(cache, request.prompt, nullptr);
  GenerationResult result;
  ASSERT_TRUE(search_beams(run, stepper, logits->all, cache, result).ok());
  ASSERT_EQ(result.answers.size(), 2u);
  EXPECT_EQ(result.answers[0].tokens.size(), 3u);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(text, result.answers[0].text + result.answers[1].text);
}

TEST(BeamSearch, NoRoomGivesOneEmptyAnswer) {
  GenerationRequest request = make_request(2, 0, 1);
  const std::vector<GeneratedAnswer> answers = search(request);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_TRUE(answers[0].tokens.empty());
  EXPECT_EQ(answers[0].finish_reason, FinishReason::kLength);
}

}  // namespace
}  // namespace rotor
