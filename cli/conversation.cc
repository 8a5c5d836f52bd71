// SPDX-License-Identifier: Apache-2.0
#include "conversation.h"

#include <algorithm>
#include <boost/json.hpp>
#include <optional>

#include "base/file.h"
#include "base/json.h"

namespace rotor::cli {
namespace {

constexpr uint64_t kMaxConversationBytes = uint64_t{64} << 20;

bool is_of_user(const ChatMessage& message) { return message.role == "user"; }

}  // namespace

void Conversation::set_system(const std::string& text) {
  if (!messages_.empty() && messages_.front().role == "system") {
    messages_.erase(messages_.begin());
  }
  if (!text.empty()) {
    messages_.insert(messages_.begin(), {"system", text});
  }
}

void Conversation::clear() {
  const bool system = !messages_.empty() && messages_.front().role == "system";
  messages_.erase(messages_.begin() + (system ? 1 : 0), messages_.end());
}

bool Conversation::drop_last(const char* role) {
  if (messages_.empty() || messages_.back().role != role) {
    return false;
  }
  messages_.pop_back();
  return true;
}

size_t Conversation::turns() const {
  return static_cast<size_t>(std::count_if(messages_.begin(), messages_.end(), is_of_user));
}

std::vector<ChatMessage> Conversation::newest(size_t turns) const {
  auto kept = messages_.end();
  for (; turns > 0; --turns) {
    while (!is_of_user(*--kept)) {
    }
  }
  std::vector<ChatMessage> messages(kept, messages_.end());
  if (kept != messages_.begin() && messages_.front().role == "system") {
    messages.insert(messages.begin(), messages_.front());
  }
  return messages;
}

Status Conversation::save(const std::string& path) const {
  boost::json::array list;
  for (const ChatMessage& message : messages_) {
    list.push_back({{"role", message.role}, {"content", message.content}});
  }
  const std::string text = boost::json::serialize(list) + "\n";
  ROTOR_ASSIGN(AtomicFile file, AtomicFile::create(path));
  ROTOR_TRY(file.write(std::as_bytes(std::span(text))));
  return file.commit();
}

Status Conversation::load(const std::string& path) {
  ROTOR_ASSIGN(const std::string text, read_text_file(path, kMaxConversationBytes));
  ROTOR_ASSIGN(const JsonDocument document, JsonDocument::parse(text, path));
  JsonArray list;
  if (document.root().get_array().get(list) != simdjson::SUCCESS) {
    return format_error(path + ": expected an array of {\"role\", \"content\"}");
  }
  std::vector<ChatMessage> messages;
  for (JsonValue entry : list) {
    ROTOR_ASSIGN(const std::optional<std::string> role, json_string(entry, "role", path));
    ROTOR_ASSIGN(const std::optional<std::string> content, json_string(entry, "content", path));
    if (!role || !content) {
      return format_error(path + ": message " + std::to_string(messages.size()) +
                          ": expected \"role\" and \"content\"");
    }
    messages.push_back({*role, *content});
  }
  messages_ = std::move(messages);
  return {};
}

}  // namespace rotor::cli
