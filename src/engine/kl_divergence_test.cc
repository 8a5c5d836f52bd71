// SPDX-License-Identifier: Apache-2.0
// Divergence and its statistics against direct computations, and of a model from itself.
#include "engine/kl_divergence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "engine/fake_executor.h"

namespace rotor {
namespace {

constexpr size_t kVocab = 31;
constexpr size_t kContext = 8;
constexpr size_t kTokens = 15;  // scored, of five chunks
using Logits = std::vector<float>;

Logits logits_of(int seed) { return fake_logits({seed}, kVocab); }
TokenId target_of(size_t i) { return static_cast<TokenId>(7 * i % kVocab); }

// Saves the logits of base(i), compares those of model(i) with them.
template <typename Base, typename Model>
KlDivergence compare(Base base, Model model) {
  const std::string path =
      testing::TempDir() + "kl_divergence_test." + std::to_string(::getpid()) + ".logits";
  const SavedLogitsHeader header{kContext, kVocab, std::vector<TokenId>(5 * kContext)};
  EXPECT_EQ(header.rows(), kTokens);
  auto writer = SavedLogitsWriter::create(path, header);
  EXPECT_TRUE(writer.ok());
  for (size_t i = 0; i < kTokens; ++i) {
    const Logits logits = base(i);
    EXPECT_TRUE(writer->write(logits, log_softmax(logits)).ok());
  }
  EXPECT_TRUE(writer->commit().ok());
  auto reader = SavedLogitsReader::open(path);
  EXPECT_TRUE(reader.ok());
  KlDivergence divergence;
  for (size_t i = 0; i < kTokens; ++i) {
    const Logits logits = model(i);
    divergence.add({logits, log_softmax(logits), target_of(i)}, **reader->next());
  }
  std::filesystem::remove(path);
  return divergence;
}

double log_p(const Logits& logits, size_t token) { return log_softmax(logits)(logits[token]); }

TEST(KlDivergence, OfAModelFromItselfIsNone) {
  const auto same = [](size_t i) { return logits_of(static_cast<int>(i)); };
  const KlDivergence d = compare(same, same);
  EXPECT_EQ(d.tokens(), kTokens);
  EXPECT_NEAR(d.divergence().value, 0, 1e-4);  // half a step of 8 / 65535
  EXPECT_NEAR(d.divergence_quantile(1), 0, 1e-4);
  EXPECT_EQ(d.same_top().value, 1);
  EXPECT_EQ(d.same_top().error, 0);
  EXPECT_NEAR(d.delta_p_rms().value, 0, 1e-4);
  EXPECT_NEAR(d.log_perplexity_ratio().value, 0, 1e-4);
}

TEST(KlDivergence, AgreesWithTheDefinitions) {
  const auto base = [](size_t i) { return logits_of(static_cast<int>(i)); };
  const auto model = [](size_t i) { return logits_of(static_cast<int>(i + i % 3)); };
  const KlDivergence d = compare(base, model);
  std::vector<double> divergences, deltas, ratios;
  double same = 0, base_nats = 0;
  for (size_t i = 0; i < kTokens; ++i) {
    const Logits b = base(i), m = model(i);
    double divergence = 0;
    for (size_t t = 0; t < kVocab; ++t) {
      divergence += std::exp(log_p(b, t)) * (log_p(b, t) - log_p(m, t));
    }
    divergences.push_back(divergence);
    same += std::max_element(b.begin(), b.end()) - b.begin() ==
            std::max_element(m.begin(), m.end()) - m.begin();
    const auto target = static_cast<size_t>(target_of(i));
    deltas.push_back(std::exp(log_p(m, target)) - std::exp(log_p(b, target)));
    ratios.push_back(log_p(b, target) - log_p(m, target));
    base_nats -= log_p(b, target) / kTokens;
  }
  const auto expect_mean = [](const Estimate& got, const std::vector<double>& values) {
    double mean = 0, variance = 0;
    for (const double value : values) {
      mean += value / kTokens;
    }
    for (const double value : values) {
      variance += (value - mean) * (value - mean) / (kTokens - 1);
    }
    EXPECT_NEAR(got.value, mean, 1e-4);
    EXPECT_NEAR(got.error, std::sqrt(variance / kTokens), 1e-4);
  };
  expect_mean(d.divergence(), divergences);
  expect_mean(d.delta_p(), deltas);
  expect_mean(d.log_perplexity_ratio(), ratios);
  EXPECT_NEAR(d.base_nats().value, base_nats, 1e-4);
  EXPECT_EQ(d.same_top().value, same / kTokens);
  EXPECT_GT(d.same_top().value, 0.2);
  EXPECT_LT(d.same_top().value, 0.6);
  EXPECT_NEAR(d.same_top().error, std::sqrt(same / kTokens * (1 - same / kTokens) / 14), 1e-12);
  double squares = 0;
  for (const double delta : deltas) {
    squares += delta * delta / kTokens;
  }
  EXPECT_NEAR(d.delta_p_rms().value, std::sqrt(squares), 1e-4);
  EXPECT_GT(d.delta_p_rms().error, 0);
  std::sort(divergences.begin(), divergences.end());
  std::sort(deltas.begin(), deltas.end());
  EXPECT_NEAR(d.divergence_quantile(0), divergences.front(), 1e-4);
  EXPECT_NEAR(d.divergence_quantile(0.5), divergences[7], 1e-4);
  EXPECT_NEAR(d.divergence_quantile(0.55), 0.3 * divergences[7] + 0.7 * divergences[8], 1e-4);
  EXPECT_NEAR(d.divergence_quantile(1), divergences.back(), 1e-4);
  EXPECT_NEAR(d.delta_p_quantile(0), deltas.front(), 1e-4);
}

TEST(KlDivergence, TokensTheBaseHoldsImpossibleDoNotCount) {
  Logits base(kVocab, -1000.0f);
  base[3] = 5;
  Logits model(kVocab, 0.0f);
  const KlDivergence d = compare([&](size_t) { return base; }, [&](size_t) { return model; });
  EXPECT_NEAR(d.divergence().value, std::log(kVocab), 1e-4);
  EXPECT_NEAR(d.divergence().error, 0, 1e-12);
}

}  // namespace
}  // namespace rotor
