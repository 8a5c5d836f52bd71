// SPDX-License-Identifier: Apache-2.0
// The messages of a chat and their file format: a JSON array of {"role", "content"}.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <string>
#include <vector>

#include "text/chat_template.h"

namespace rotor::cli {

class Conversation {
 public:
  const std::vector<ChatMessage>& messages() const { return messages_; }

  void add(const char* role, std::string content) { messages_.push_back({role, std::move(content)}); }
  // Replaces, adds or (with an empty text) removes the system message.
  void set_system(const std::string& text);
  // Forgets everything but the system message.
  void clear();
  // Removes the last message when it has this role; says whether it did.
  bool drop_last(const char* role);

  // A turn is a message of the user and what follows it up to the next one.
  size_t turns() const;
  // The system message, if any, and the newest `turns` turns. REQUIRES: turns <= turns().
  std::vector<ChatMessage> newest(size_t turns) const;

  Status save(const std::string& path) const;
  Status load(const std::string& path);

 private:
  std::vector<ChatMessage> messages_;
};

}  // namespace rotor::cli
