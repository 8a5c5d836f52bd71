// SPDX-License-Identifier: Apache-2.0
// VerbTimes: how long each verb of the decoder took, added up over layers and passes. TimedOps
// measures by standing between decode_step() and the Ops that compute.
#pragma once

#include <rotor/status.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "model/batch.h"

namespace rotor {

enum class Verb : uint8_t {
  kEmbed,
  kQkv,
  kRopeStore,
  kAttend,
  kAttnOut,
  kRoute,
  kFfnGateUp,
  kFfnDown,
  kLogits,
};
inline constexpr size_t kVerbs = 9;

// The verb's name in decoder.h.
constexpr std::string_view verb_name(Verb verb) {
  constexpr std::array<std::string_view, kVerbs> kNames = {
      "embed",       "qkv",      "rope_store", "attend", "attn_out", "route",
      "ffn_gate_up", "ffn_down", "logits"};
  return kNames[static_cast<size_t>(verb)];
}

struct VerbTimes {
  std::array<double, kVerbs> seconds = {};  // by Verb
  uint64_t passes = 0;
};

// The verbs of `Ops`, each timed. References outlive the object; used by the driving thread.
template <typename Ops>
class TimedOps {
 public:
  TimedOps(Ops& ops, VerbTimes& times) : ops_(ops), times_(times) {}

  void embed(const Batch& batch) {
    ++times_.passes;
    time(Verb::kEmbed, [&] { ops_.embed(batch); });
  }
  void qkv(size_t layer) { time(Verb::kQkv, [&] { ops_.qkv(layer); }); }
  void rope_store(size_t layer) { time(Verb::kRopeStore, [&] { ops_.rope_store(layer); }); }
  void attend(size_t layer) { time(Verb::kAttend, [&] { ops_.attend(layer); }); }
  void attn_out(size_t layer) { time(Verb::kAttnOut, [&] { ops_.attn_out(layer); }); }
  void route(size_t layer) { time(Verb::kRoute, [&] { ops_.route(layer); }); }
  void ffn_gate_up(size_t layer) { time(Verb::kFfnGateUp, [&] { ops_.ffn_gate_up(layer); }); }
  void ffn_down(size_t layer) { time(Verb::kFfnDown, [&] { ops_.ffn_down(layer); }); }
  void logits() { time(Verb::kLogits, [&] { ops_.logits(); }); }
  Status status() const { return ops_.status(); }

 private:
  template <typename Call>
  void time(Verb verb, Call call) {
    const auto start = std::chrono::steady_clock::now();
    call();
    times_.seconds[static_cast<size_t>(verb)] +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  Ops& ops_;
  VerbTimes& times_;
};

}  // namespace rotor
