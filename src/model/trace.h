// SPDX-License-Identifier: Apache-2.0
// TraceHook: reads or replaces what the decoder computes, between its verbs. Parity tests, run-time
// verification and the search for a first difference stand on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace rotor {

// The inputs a layer quantises, and the matrices that read them. q, k and v have one input, and so have
// gate and up, unless each matrix has a norm of its own.
enum class LinearInput : uint8_t { kQkv = 0, kQ, kK, kV, kO, kGateUp, kGate, kUp, kDown };
enum class LinearRole : uint8_t { kQ = 0, kK, kV, kO, kGate, kUp, kDown };
inline constexpr size_t kLinearRoles = 7;
// Of the feed-forward block: with experts, one matrix of all of them.
constexpr bool is_feed_forward(LinearRole role) { return role >= LinearRole::kGate; }

std::string_view linear_input_name(LinearInput input);  // "qkv", "q", "k", "v", "o", "gate_up", ...
std::string_view linear_role_name(LinearRole role);     // "q", "k", "v", "o", "gate", "up", "down"

// Called on the thread that drives the executor, once per verb, for all rows of the batch. Not called for
// a model whose activations stay floats, nor for what experts compute.
class TraceHook {
 public:
  virtual ~TraceHook() = default;

  // The int8 activations about to be multiplied. May overwrite both arrays.
  virtual void quantized(size_t layer, LinearInput input, size_t rows, size_t cols,
                         int8_t* q /* (rows, stride) */, size_t stride, float* scale /* (rows) */) {
    (void)layer, (void)input, (void)rows, (void)cols, (void)q, (void)stride, (void)scale;
  }
  // The exact integer results of one matrix, before any scale; over all groups where it has groups.
  virtual void accumulated(size_t layer, LinearRole role, size_t rows, size_t cols,
                           const int32_t* acc /* (rows, stride) */, size_t stride) {
    (void)layer, (void)role, (void)rows, (void)cols, (void)acc, (void)stride;
  }
};

}  // namespace rotor
