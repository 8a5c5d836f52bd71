// SPDX-License-Identifier: Apache-2.0
// Checks of a request before anything is computed.
#include <rotor/generation.h>

#include <string>

#include "engine/stop.h"

namespace rotor {
namespace {

Status check_tokens(std::string_view what, const std::vector<TokenId>& tokens, size_t vocab) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (static_cast<size_t>(tokens[i]) >= vocab) {
      return invalid_argument("token " + std::to_string(i) + " of " + std::string(what) + " is " +
                              std::to_string(tokens[i]) + ": the model has tokens 0 to " +
                              std::to_string(vocab - 1));
    }
  }
  return Status();
}

Status check_count(std::string_view name, size_t value, size_t max) {
  if (value >= 1 && value <= max) {
    return Status();
  }
  return invalid_argument(std::string(name) + " is " + std::to_string(value) + ", expected 1 to " +
                          std::to_string(max));
}

Status check_beams(const GenerationRequest& request) {
  ROTOR_TRY(check_count("beam_width", request.beam_width, kMaxAnswers));
  constexpr float kMaxPenalty = 8;
  if (!(request.length_penalty >= -kMaxPenalty && request.length_penalty <= kMaxPenalty)) {
    return invalid_argument("length_penalty is " + std::to_string(request.length_penalty) +
                            ", expected a number in [-8, 8]");
  }
  if (request.beam_width > 1 && !request.stop.empty()) {
    return invalid_argument("beam search does not take stop strings");
  }
  if (request.beam_width > 1 && request.logits_processor) {
    return invalid_argument("beam search does not take a logits_processor");
  }
  if (request.beam_width > 1 && request.answers > request.beam_width) {
    return invalid_argument(std::to_string(request.answers) + " answers of a beam search with " +
                            std::to_string(request.beam_width) +
                            " beams: expected at most that many");
  }
  return Status();
}

}  // namespace

std::string_view finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kNone:
      return "none";
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kEndOfGeneration:
      return "end_of_generation";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

Status validate(const GenerationRequest& request, size_t vocab, size_t context) {
  if (request.prompt.empty()) {
    return invalid_argument("the prompt is empty: at least one token is needed");
  }
  if (request.prompt.size() > context) {
    return invalid_argument("the prompt has " + std::to_string(request.prompt.size()) +
                            " tokens, the context holds " + std::to_string(context) +
                            ": shorten the prompt or enlarge the context");
  }
  ROTOR_TRY(check_tokens("the prompt", request.prompt, vocab));
  ROTOR_TRY(check_tokens("end_of_generation", request.end_of_generation, vocab));
  ROTOR_TRY(check_count("answers", request.answers, kMaxAnswers));
  ROTOR_TRY(check_beams(request));
  ROTOR_TRY(StopMatcher::create(request.stop).status());
  return validate(request.sampling, vocab);
}

}  // namespace rotor
