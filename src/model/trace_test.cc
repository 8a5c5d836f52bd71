// SPDX-License-Identifier: Apache-2.0
#include "model/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace rotor {
namespace {

// Tensor names of .rotor files and of traces are made of these: they can never change.
TEST(Trace, NamesOfInputsAndRoles) {
  std::vector<std::string_view> inputs;
  for (size_t i = 0; i < 9; ++i) {
    inputs.push_back(linear_input_name(static_cast<LinearInput>(i)));
  }
  EXPECT_THAT(inputs, testing::ElementsAre("qkv", "q", "k", "v", "o", "gate_up", "gate",
                                           "up", "down"));
  std::vector<std::string_view> roles;
  for (size_t i = 0; i < kLinearRoles; ++i) {
    roles.push_back(linear_role_name(static_cast<LinearRole>(i)));
  }
  EXPECT_THAT(roles, testing::ElementsAre("q", "k", "v", "o", "gate", "up", "down"));
}

// A hook that watches one thing need not know of the others, and changes nothing.
TEST(Trace, AHookLeavesAloneWhatItDoesNotOverride) {
  TraceHook hook;
  int8_t q[] = {1, -2, 3};
  float scale[] = {0.5f};
  const int32_t acc[] = {7};
  hook.quantized(0, LinearInput::kQkv, 1, 3, q, 3, scale);
  hook.accumulated(0, LinearRole::kQ, 1, 1, acc, 1);
  EXPECT_THAT(q, testing::ElementsAre(1, -2, 3));
  EXPECT_THAT(scale, testing::ElementsAre(0.5f));
}

}  // namespace
}  // namespace rotor
