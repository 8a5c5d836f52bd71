// SPDX-License-Identifier: Apache-2.0
// Names of the traced tensors; the files of `rotor logits --trace` carry them.
#include "model/trace.h"

namespace rotor {

std::string_view linear_input_name(LinearInput input) {
  switch (input) {
    case LinearInput::kQkv: return "qkv";
    case LinearInput::kQ: return "q";
    case LinearInput::kK: return "k";
    case LinearInput::kV: return "v";
    case LinearInput::kO: return "o";
    case LinearInput::kGateUp: return "gate_up";
    case LinearInput::kGate: return "gate";
    case LinearInput::kUp: return "up";
    case LinearInput::kDown: return "down";
  }
  return "unknown";
}

std::string_view linear_role_name(LinearRole role) {
  switch (role) {
    case LinearRole::kQ: return "q";
    case LinearRole::kK: return "k";
    case LinearRole::kV: return "v";
    case LinearRole::kO: return "o";
    case LinearRole::kGate: return "gate";
    case LinearRole::kUp: return "up";
    case LinearRole::kDown: return "down";
  }
  return "unknown";
}

}  // namespace rotor
