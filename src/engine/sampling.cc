// SPDX-License-Identifier: Apache-2.0
// Ranges of SamplingParams. Written as "not inside", so that NaN is outside.
#include <rotor/sampling.h>

#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_set>

namespace rotor {
namespace {

constexpr float kMax = std::numeric_limits<float>::max();

Status check(std::string_view name, float value, float low, float high, std::string_view range) {
  if (value >= low && value <= high) {
    return Status();
  }
  return invalid_argument(std::string(name) + " is " + std::to_string(value) + ", expected " +
                          std::string(range));
}

Status check_integer(std::string_view name, int32_t value, int32_t low, std::string_view range) {
  if (value >= low) {
    return Status();
  }
  return invalid_argument(std::string(name) + " is " + std::to_string(value) + ", expected " +
                          std::string(range));
}

Status check_biases(const std::vector<LogitBias>& biases, size_t vocab) {
  std::unordered_set<TokenId> seen;
  for (const auto& [token, bias] : biases) {
    const std::string entry = "logit_bias of token " + std::to_string(token);
    if (static_cast<size_t>(token) >= vocab) {
      return invalid_argument(entry + ": the model has tokens 0 to " + std::to_string(vocab - 1));
    }
    if (std::isnan(bias) || bias == INFINITY) {
      return invalid_argument(entry + " is " + std::to_string(bias) +
                              ", expected a finite number, or -inf to ban the token");
    }
    if (!seen.insert(token).second) {
      return invalid_argument(entry + " is given twice");
    }
  }
  return Status();
}

}  // namespace

Status validate(const SamplingParams& p, size_t vocab) {
  constexpr float kTiny = std::numeric_limits<float>::denorm_min();
  ROTOR_TRY(check("temperature", p.temperature, 0, kMax, "a finite number >= 0 (0: greedy)"));
  ROTOR_TRY(check_integer("top_k", p.top_k, 0, "an integer >= 0 (0: all tokens)"));
  ROTOR_TRY(check("top_p", p.top_p, 0, 1, "a number in [0, 1] (1: all tokens)"));
  ROTOR_TRY(check("min_p", p.min_p, 0, 1, "a number in [0, 1] (0: all tokens)"));
  ROTOR_TRY(check("typical_p", p.typical_p, 0, 1, "a number in [0, 1] (1: all tokens)"));
  ROTOR_TRY(check_integer("repeat_last_n", p.repeat_last_n, -1,
                          "an integer >= -1 (-1: all tokens so far, 0: none)"));
  ROTOR_TRY(check("repeat_penalty", p.repeat_penalty, kTiny, kMax,
                  "a finite number > 0 (1: no penalty)"));
  ROTOR_TRY(check("presence_penalty", p.presence_penalty, -kMax, kMax, "a finite number"));
  ROTOR_TRY(check("frequency_penalty", p.frequency_penalty, -kMax, kMax, "a finite number"));
  return check_biases(p.logit_bias, vocab);
}

}  // namespace rotor
