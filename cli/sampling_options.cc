// SPDX-License-Identifier: Apache-2.0
#include "sampling_options.h"

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <charconv>
#include <random>

#include "repeated_option.h"

namespace rotor::cli {
namespace {

// "128=-inf" or "15:2.5".
Result<LogitBias> parse_bias(const std::string& text) {
  const size_t cut = text.find_first_of("=:");
  LogitBias bias{};
  const char* begin = text.data();
  if (cut != std::string::npos) {
    const auto [end, error] = std::from_chars(begin, begin + cut, bias.token);
    if (error == std::errc() && end == begin + cut) {
      const char* last = begin + text.size();
      const auto value = std::from_chars(begin + cut + 1, last, bias.bias);
      if (value.ec == std::errc() && value.ptr == last) {
        return bias;
      }
    }
  }
  return invalid_argument("--logit-bias: expected TOKEN=BIAS such as 15=-inf, got " + text);
}

Result<uint64_t> parse_seed(const std::string& text) {
  if (text == "-1") {
    return (uint64_t{std::random_device{}()} << 32) | std::random_device{}();
  }
  uint64_t seed = 0;
  const char* end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), end, seed);
  if (error != std::errc() || next != end) {
    return invalid_argument("--seed: expected -1 or 0 to 18446744073709551615, got " + text);
  }
  return seed;
}

// Replaces what no option of the command line set by what the model recommends.
void follow(const GenerationDefaults& own, const CLI::App& command, SamplingParams& params) {
  const auto given = [&](const char* name) { return command.count(name) > 0; };
  if (own.temperature && !given("--temp")) {
    params.temperature = *own.temperature;
  }
  if (own.do_sample && !*own.do_sample && !given("--temp")) {
    params.temperature = 0.0f;
  }
  if (own.top_p && !given("--top-p")) {
    params.top_p = *own.top_p;
  }
  if (own.top_k && !given("--top-k")) {
    params.top_k = *own.top_k;
  }
}

}  // namespace

void add_sampling_options(CLI::App& app, SamplingOptions& options) {
  options.command = &app;
  SamplingParams& p = options.params;
  const char* group = "Sampling";
  app.add_option("--temp,--temperature", p.temperature, "0: always the most likely token")
      ->group(group)
      ->capture_default_str();
  app.add_option("--top-k", p.top_k, "keep the k most likely tokens; 0: all")
      ->group(group)
      ->capture_default_str();
  app.add_option("--top-p", p.top_p, "keep the most likely tokens up to this probability; 1: all")
      ->group(group)
      ->capture_default_str();
  app.add_option("--min-p", p.min_p, "keep tokens this likely relative to the best; 0: all")
      ->group(group)
      ->capture_default_str();
  app.add_option("--typical,--typical-p", p.typical_p, "locally typical sampling; 1: off")
      ->group(group)
      ->capture_default_str();
  app.add_option("--repeat-penalty", p.repeat_penalty, "divides logits of tokens seen; 1: off")
      ->group(group)
      ->capture_default_str();
  app.add_option("--repeat-last-n", p.repeat_last_n, "tokens the penalties look at; -1: all")
      ->group(group)
      ->capture_default_str();
  app.add_option("--presence-penalty", p.presence_penalty, "subtracted from logits of tokens seen")
      ->group(group)
      ->capture_default_str();
  app.add_option("--frequency-penalty", p.frequency_penalty, "subtracted once each time seen")
      ->group(group)
      ->capture_default_str();
  add_texts(app, "--logit-bias", options.logit_bias,
            "TOKEN=BIAS, added to a logit; may be repeated")
      ->group(group);
  add_texts(app, "--stop,-r,--reverse-prompt", options.stop,
            "end the answer before this text; may be repeated")
      ->group(group);
  app.add_flag("--recommended", options.recommended,
               "sample as the model's makers recommend (see rotor inspect); options given win")
      ->group(group);
  app.add_option("-s,--seed", options.seed, "the same seed draws the same tokens; -1: a new one")
      ->group(group)
      ->type_name("INT")
      ->envname("ROTOR_SEED")
      ->capture_default_str();
  app.add_flag("--no-speculate", options.no_speculate,
               "compute one token at a time even where the text repeats itself; the answer is the same")
      ->group(group);
}

Status apply_sampling(const SamplingOptions& options, const Model& model,
                      GenerationRequest& request) {
  SamplingParams params = options.params;
  if (options.recommended) {
    if (model.generation_defaults == GenerationDefaults()) {
      return unsupported(model.path + ": recommends no sampling; leave --recommended out");
    }
    follow(model.generation_defaults, *options.command, params);
  }
  for (const std::string& text : options.logit_bias) {
    ROTOR_ASSIGN(const LogitBias bias, parse_bias(text));
    params.logit_bias.push_back(bias);
  }
  ROTOR_ASSIGN(params.seed, parse_seed(options.seed));
  request.sampling = std::move(params);
  request.stop = options.stop;
  request.speculate = !options.no_speculate;
  return {};
}

}  // namespace rotor::cli
