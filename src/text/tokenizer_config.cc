// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/json.h"
#include "text/unicode.h"

namespace rotor {
namespace {

// Ids may leave holes, but not so many that the file is small beside its vocabulary.
constexpr size_t kMaxHoles = 65'536;

Status add_token(const std::string& where, int64_t id, const std::string& content, TokenKind kind,
                 TokenizerSpec& spec) {
  if (id < 0 || static_cast<uint64_t>(id) >= spec.tokens.size() + kMaxHoles) {
    return format_error(fmt::format("{}: token {} has id {}; expected 0 to {}", where,
                                    printable(content), id, spec.tokens.size() + kMaxHoles - 1));
  }
  const size_t at = static_cast<size_t>(id);
  if (at >= spec.tokens.size()) {
    spec.tokens.resize(at + 1);
    spec.kinds.resize(at + 1, TokenKind::kUnused);
    spec.scores.resize(at + 1);
  }
  const bool is_free = spec.tokens[at].empty();
  if (!is_free && spec.tokens[at] != content) {
    return format_error(fmt::format("{}: {} has id {}, but that is {}", where, printable(content),
                                    id, printable(spec.tokens[at])));
  }
  const bool becomes_added = spec.kinds[at] == TokenKind::kNormal;
  spec.tokens[at] = content;
  if (is_free || becomes_added) {
    spec.kinds[at] = kind;
  }
  return Status::ok_status();
}

Status read_added_token(std::string_view key, JsonValue token, const std::string& where,
                        TokenizerSpec& spec) {
  int64_t id = -1;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
  if (error != std::errc() || end != key.data() + key.size()) {
    return format_error(fmt::format("{}: key {}; expected a token id", where, printable(key)));
  }
  ROTOR_ASSIGN(const auto content, json_string(token, "content", where));
  ROTOR_ASSIGN(const auto special, json_bool(token, "special", where));
  ROTOR_ASSIGN(const auto single_word, json_bool(token, "single_word", where));
  ROTOR_ASSIGN(const auto lstrip, json_bool(token, "lstrip", where));
  ROTOR_ASSIGN(const auto rstrip, json_bool(token, "rstrip", where));
  if (!content || content->empty()) {
    return format_error(fmt::format("{}.{}: expected a \"content\"", where, key));
  }
  ROTOR_TRY(add_token(where, id, *content,
                      special.value_or(false) ? TokenKind::kControl : TokenKind::kUserDefined,
                      spec));
  const auto note = [&](const std::optional<bool>& flag, std::vector<TokenId>& ids) {
    if (flag.value_or(false)) {
      ids.push_back(static_cast<TokenId>(id));
    }
  };
  note(single_word, spec.single_word);
  note(lstrip, spec.strip_left);
  note(rstrip, spec.strip_right);
  return Status::ok_status();
}

}  // namespace

Status apply_tokenizer_config(std::string_view json, const std::string& name,
                              TokenizerSpec& spec) {
  ROTOR_ASSIGN(const JsonDocument document, JsonDocument::parse(json, name));
  ROTOR_ASSIGN(const auto add_bos, json_bool(document.root(), "add_bos_token", name));
  ROTOR_ASSIGN(const auto add_eos, json_bool(document.root(), "add_eos_token", name));
  spec.add_bos = add_bos.value_or(spec.add_bos) && spec.bos != kNoToken;
  spec.add_eos = add_eos.value_or(spec.add_eos) && spec.eos != kNoToken;
  const std::optional<JsonValue> added = json_member(document.root(), "added_tokens_decoder");
  if (!added) {
    return Status::ok_status();
  }
  const std::string where = name + ": added_tokens_decoder";
  JsonObject tokens;
  if (added->get(tokens) != simdjson::SUCCESS) {
    return format_error(where + ": expected an object");
  }
  for (const auto& [key, token] : tokens) {
    ROTOR_TRY(read_added_token(key, token, where, spec));
  }
  return Status::ok_status();
}

Status apply_added_tokens(std::string_view json, const std::string& name, TokenizerSpec& spec) {
  ROTOR_ASSIGN(const JsonDocument document, JsonDocument::parse(json, name));
  JsonObject tokens;
  if (document.root().get(tokens) != simdjson::SUCCESS) {
    return format_error(name + ": expected an object of tokens and ids");
  }
  for (const auto& [content, value] : tokens) {
    int64_t id = 0;
    if (value.get(id) != simdjson::SUCCESS || content.empty()) {
      return format_error(
          fmt::format("{}: token {}: expected an integer id", name, printable(content)));
    }
    ROTOR_TRY(add_token(name, id, std::string(content), TokenKind::kUserDefined, spec));
  }
  return Status::ok_status();
}

}  // namespace rotor
