// SPDX-License-Identifier: Apache-2.0
#include "kld_report.h"

#include <fmt/core.h>

#include <array>
#include <boost/json.hpp>
#include <cmath>

#include "base/exp_log.h"

namespace rotor::cli {
namespace {

struct Quantile {
  const char* key;
  double fraction;
};
constexpr std::array<Quantile, 9> kQuantiles = {{{"min", 0.0},
                                                 {"p01", 0.01},
                                                 {"p05", 0.05},
                                                 {"p10", 0.1},
                                                 {"median", 0.5},
                                                 {"p90", 0.9},
                                                 {"p95", 0.95},
                                                 {"p99", 0.99},
                                                 {"max", 1.0}}};

// Of two texts' means of -ln p: the perplexity and its error, to first order.
Estimate perplexity_of(const Estimate& nats) {
  const double value = portable_exp(std::min(nats.value, 709.0));
  return {value, value * nats.error};
}

boost::json::object to_json(const Estimate& estimate) {
  return {{"value", estimate.value}, {"error", estimate.error}};
}

}  // namespace

boost::json::object kld_json(const KlDivergence& divergence, const std::string& base) {
  boost::json::object kld = to_json(divergence.divergence());
  boost::json::object delta = to_json(divergence.delta_p());
  for (const auto& [key, fraction] : kQuantiles) {
    kld[key] = divergence.divergence_quantile(fraction);
    delta[key] = divergence.delta_p_quantile(fraction);
  }
  return {{"base", base},
          {"base_perplexity", to_json(perplexity_of(divergence.base_nats()))},
          {"log_perplexity_ratio", to_json(divergence.log_perplexity_ratio())},
          {"perplexity_ratio", to_json(perplexity_of(divergence.log_perplexity_ratio()))},
          {"divergence", std::move(kld)},
          {"delta_p", std::move(delta)},
          {"delta_p_rms", to_json(divergence.delta_p_rms())},
          {"same_top", to_json(divergence.same_top())}};
}

void print_kld(const KlDivergence& divergence, const std::string& base) {
  const auto line = [](const char* what, const Estimate& estimate, double unit, const char* suffix) {
    fmt::print("  {:<24}{:>11.6f} +- {:.6f}{}\n", what, estimate.value * unit,
               estimate.error * unit, suffix);
  };
  fmt::print("against {}\n", base);
  line("base perplexity", perplexity_of(divergence.base_nats()), 1, "");
  line("ln(perplexity ratio)", divergence.log_perplexity_ratio(), 1, "");
  line("KL divergence, nats", divergence.divergence(), 1, "");
  line("same likeliest token", divergence.same_top(), 100, " %");
  line("delta p, mean", divergence.delta_p(), 100, " %");
  line("delta p, RMS", divergence.delta_p_rms(), 100, " %");
  fmt::print("  {:<24}", "quantiles");
  for (const auto& [key, fraction] : kQuantiles) {
    fmt::print("{:>11}", key);
  }
  fmt::print("\n  {:<24}", "KL divergence, nats");
  for (const auto& [key, fraction] : kQuantiles) {
    fmt::print("{:>11.6f}", divergence.divergence_quantile(fraction));
  }
  fmt::print("\n  {:<24}", "delta p, %");
  for (const auto& [key, fraction] : kQuantiles) {
    fmt::print("{:>11.4f}", 100 * divergence.delta_p_quantile(fraction));
  }
  fmt::print("\n");
}

}  // namespace rotor::cli
