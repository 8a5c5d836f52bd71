// SPDX-License-Identifier: Apache-2.0
// What text generation takes and gives: a request, events while it runs, answers and statistics.
// Plain values.
#pragma once

#include <rotor/lora.h>
#include <rotor/sampling.h>
#include <rotor/status.h>
#include <rotor/token.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rotor {

// When beam search ends before its length limit; the values of Hugging Face's `early_stopping`.
enum class EarlyStopping : uint8_t {
  kHeuristic,  // false: the best running beam, ended now, would not beat the worst finished one
  kFirst,      // true: as soon as `beam_width` answers are finished
  kNever,      // "never": when no running beam could still beat the worst finished one
};

// Changes the logits (vocab) that the next token of an answer is drawn from; -infinity bans a token.
// `tokens`: prompt and answer so far. Both are valid in the call. A failure ends the generation with it.
using LogitsProcessor =
    std::function<Status(std::span<const TokenId> tokens, std::span<float> logits)>;

struct GenerationRequest {
  // The whole text so far; at least one token, at most the context.
  std::vector<TokenId> prompt;
  // An answer also ends where prompt and answer fill the context. 0: only computes the prompt.
  size_t max_new_tokens = SIZE_MAX;
  SamplingParams sampling;
  // Answers to give, 1 .. kMaxAnswers. Answer i draws with (seed, i), so it is the same whatever the
  // number of answers. With beam search: the best ones, at most beam_width.
  size_t answers = 1;
  // An answer ends before any of these strings (valid UTF-8, not empty). Not with beam search.
  std::vector<std::string> stop;
  // An answer ends with any of these tokens; their text is not shown. Empty: none ends it.
  std::vector<TokenId> end_of_generation;
  // Report the log-probability of each token, of the model's own distribution: before biases,
  // penalties, filters and temperature. Beam search: what its score adds up, so after biases and
  // penalties.
  bool log_probabilities = false;

  // Draft the tokens to come from what the text repeats and compute them together, where that pays. The
  // answers are the same either way. Not with beam search.
  bool speculate = true;

  // Called in the thread of generate(), once for each token that is drawn, in the order of its answer;
  // before biases, penalties and filters. May be empty. Not with beam search.
  LogitsProcessor logits_processor = {};

  // 2 .. kMaxAnswers: beam search, which looks for likely answers instead of drawing one. It heeds
  // the biases and penalties of `sampling`, but no filter, temperature or seed.
  size_t beam_width = 1;
  // A beam's score is (sum of log-probabilities) / (tokens ^ length_penalty); -8 .. 8, larger favours
  // long answers.
  float length_penalty = 1.0f;
  EarlyStopping early_stopping = EarlyStopping::kHeuristic;

  // The adapters that prompt and answers are computed with; an empty list: none. Not given: those of
  // the whole model, LanguageModel::set_lora().
  std::optional<LoraSet> lora = std::nullopt;
};

inline constexpr size_t kMaxAnswers = 256;

enum class FinishReason : uint8_t {
  kNone,             // still running
  kStop,             // a stop string
  kEndOfGeneration,  // a token of end_of_generation
  kLength,           // max_new_tokens, or the context is full
  kCancelled,
};

// "none", "stop", "end_of_generation", "length", "cancelled".
std::string_view finish_reason_name(FinishReason reason);

// One per token of an answer, in order; answers interleave, some tokens of one, then of another. The
// last event of an answer, and only that, has a finish reason; it may come without a token. Beam search
// gives one event an answer.
struct GenerationEvent {
  size_t answer;
  TokenId token;            // kNoToken when the answer ends without another token
  std::string_view text;    // whole characters that are now certain, maybe none; valid in the call
  double log_probability;   // natural logarithm; 0 unless asked for
  FinishReason finish_reason;
};
using GenerationCallback = std::function<void(const GenerationEvent&)>;

struct GeneratedAnswer {
  std::vector<TokenId> tokens;  // as drawn, an end-of-generation token included
  std::string text;             // the texts of all events
  std::vector<double> log_probabilities;  // one a token, or empty unless asked for
  double score = 0;             // beam search only
  FinishReason finish_reason = FinishReason::kNone;
};

struct GenerationStats {
  size_t prompt_tokens = 0;
  size_t cached_tokens = 0;     // of the prompt: not computed again
  size_t generated_tokens = 0;  // of all answers
  size_t decoded_tokens = 0;    // drawn after the prompt's pass, which gives the first of each answer
  size_t drafted_tokens = 0;    // by speculation
  size_t accepted_tokens = 0;   // of them
  double prompt_seconds = 0;
  double generation_seconds = 0;

  // Tokens a second, 0 when nothing was computed.
  double prompt_rate() const {
    return prompt_seconds > 0 ? static_cast<double>(prompt_tokens - cached_tokens) / prompt_seconds
                              : 0;
  }
  double generation_rate() const {
    return generation_seconds > 0 ? static_cast<double>(decoded_tokens) / generation_seconds : 0;
  }
};

struct GenerationResult {
  std::vector<GeneratedAnswer> answers;  // by index; beam search: best score first
  GenerationStats stats;
};

// kInvalidArgument for what the comments above exclude, given the model's vocabulary and the context
// (positions) of the session. A prompt that is too long is reported with both numbers.
Status validate(const GenerationRequest& request, size_t vocab, size_t context);

}  // namespace rotor
