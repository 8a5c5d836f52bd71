// SPDX-License-Identifier: Apache-2.0
// ChatMessage: one turn of a conversation.
#pragma once

#include <string>

namespace rotor {

struct ChatMessage {
  std::string role;     // "system", "user", "assistant", or what else the model's template knows
  std::string content;  // UTF-8
};

}  // namespace rotor
