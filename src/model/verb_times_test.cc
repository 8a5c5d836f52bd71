// SPDX-License-Identifier: Apache-2.0
// Timed verbs are called in the order of the decoder, and each call is counted to its verb.
#include "model/verb_times.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "model/decoder.h"

namespace rotor {
namespace {

// Notes its calls; attending takes a while.
struct NotedOps {
  void embed(const Batch&) { calls.emplace_back("embed"); }
  void qkv(size_t) { calls.emplace_back("qkv"); }
  void rope_store(size_t) { calls.emplace_back("rope_store"); }
  void attend(size_t) {
    calls.emplace_back("attend");
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  void attn_out(size_t) { calls.emplace_back("attn_out"); }
  void route(size_t) { calls.emplace_back("route"); }
  void ffn_gate_up(size_t) { calls.emplace_back("ffn_gate_up"); }
  void ffn_down(size_t) { calls.emplace_back("ffn_down"); }
  void logits() { calls.emplace_back("logits"); }
  Status status() const { return Status(Code::kNotFinite, "noted"); }

  std::vector<std::string> calls;
};

void expect_every_verb(size_t experts) {
  ModelConfig config;
  config.layers = 3;
  config.experts = experts;
  NotedOps ops;
  VerbTimes times;
  TimedOps timed(ops, times);
  for (int pass = 0; pass < 2; ++pass) {
    EXPECT_EQ(decode_step(config, Batch{}, nullptr, timed).message(), "noted");
  }
  EXPECT_EQ(times.passes, 2u);
  std::vector<std::string> expected = {"embed"};
  for (int layer = 0; layer < 3; ++layer) {
    for (size_t verb = 1; verb + 1 < kVerbs; ++verb) {
      if (experts != 0 || static_cast<Verb>(verb) != Verb::kRoute) {
        expected.emplace_back(verb_name(static_cast<Verb>(verb)));
      }
    }
  }
  expected.emplace_back("logits");
  ops.calls.resize(ops.calls.size() / 2);
  EXPECT_EQ(ops.calls, expected);
  const double attending = times.seconds[static_cast<size_t>(Verb::kAttend)];
  EXPECT_GE(attending, 2 * 3 * 0.002);
  EXPECT_LT(times.seconds[static_cast<size_t>(Verb::kQkv)], attending);
  EXPECT_EQ(times.seconds[static_cast<size_t>(Verb::kRoute)] > 0.0, experts != 0);
}

TEST(VerbTimes, EveryVerbIsCalledAndCounted) {
  expect_every_verb(0);
  expect_every_verb(4);
}

}  // namespace
}  // namespace rotor
