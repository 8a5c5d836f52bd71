// SPDX-License-Identifier: Apache-2.0
// The sections of tokenizer.json that say what the tokens are: model and added_tokens. The pipeline
// around them is in tokenizer_json_normalizer.cc and tokenizer_json_pipeline.cc.
#include "text/tokenizer_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <new>
#include <string>
#include <vector>

#include "base/json.h"
#include "text/bpe_alphabet.h"
#include "text/normalizer.h"
#include "text/tokenizer_json_normalizer.h"
#include "text/tokenizer_json_pipeline.h"
#include "text/tokenizer_merge_list.h"
#include "text/unicode.h"

namespace rotor {
namespace {

Status bad(const TokenizerSpec& spec, std::string_view key, const std::string& what) {
  return format_error(fmt::format("{}: {}: {}", spec.source, key, what));
}

// Keys of "model" that must be absent, null, false or empty: each would change the ids.
Status check_model_options(JsonValue model, bool byte_level, const std::string& where) {
  for (const std::string_view key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    ROTOR_ASSIGN(const auto text, json_string(model, key, where));
    if (text && !text->empty()) {
      return unsupported(
          fmt::format("{}: model.{}: {}; expected null or empty", where, key, printable(*text)));
    }
  }
  ROTOR_ASSIGN(const auto fallback, json_bool(model, "byte_fallback", where));
  if (byte_level && fallback.value_or(false)) {
    return unsupported(where + ": model.byte_fallback is true; expected false: the pre-tokenizer "
                               "ByteLevel leaves nothing to fall back from");
  }
  ROTOR_ASSIGN(const auto dropout, json_number(model, "dropout", where));
  if (dropout.value_or(0) != 0) {
    return unsupported(fmt::format("{}: model.dropout is {}; expected null: ids would be random",
                                   where, *dropout));
  }
  return Status::ok_status();
}

Result<TokenizerModel> read_model_kind(JsonValue root, JsonValue model, const std::string& where) {
  ROTOR_ASSIGN(const auto type, json_string(model, "type", where));
  if (type && *type == "Unigram") {
    return TokenizerModel::kUnigram;
  }
  const bool looks_like_bpe = !type && json_member(model, "merges").has_value();
  if (looks_like_bpe || (type && *type == "BPE")) {
    ROTOR_ASSIGN(const bool byte_level, has_byte_level(root, where));
    ROTOR_TRY(check_model_options(model, byte_level, where));
    return byte_level ? TokenizerModel::kByteBpe : TokenizerModel::kCharacterBpe;
  }
  return unsupported(fmt::format("{}: model.type: unsupported tokenizer model {}; expected \"BPE\" "
                                 "or \"Unigram\"",
                                 where, type ? printable(*type) : "without a type"));
}

// Where a token's id says it goes; ids may leave holes, but not so many that the file is small
// beside its vocabulary.
Status place_token(TokenizerSpec& spec, size_t id_limit, std::string_view key, std::string bytes,
                   TokenKind kind, int64_t id) {
  if (id < 0 || static_cast<uint64_t>(id) >= id_limit) {
    return bad(
        spec, key,
        fmt::format("token {} has id {}; expected 0 to {}", printable(bytes), id, id_limit - 1));
  }
  const size_t index = static_cast<size_t>(id);
  if (index >= spec.tokens.size()) {
    spec.tokens.resize(index + 1);
    spec.kinds.resize(index + 1, TokenKind::kUnused);
  }
  spec.tokens[index] = std::move(bytes);
  spec.kinds[index] = kind;
  return Status::ok_status();
}

// The same for a token of the vocabulary, as its model spells it.
Status place_vocabulary_token(TokenizerSpec& spec, size_t id_limit, std::string_view key,
                              std::string_view text, int64_t id) {
  if (spec.model != TokenizerModel::kByteBpe) {
    const bool byte = spec.byte_fallback && byte_of_token(text).has_value();
    return place_token(spec, id_limit, key, std::string(text),
                       byte ? TokenKind::kByte : TokenKind::kNormal, id);
  }
  std::optional<std::string> bytes = bytes_from_alphabet(text);
  // A token outside the byte alphabet is text that no merge can reach.
  const TokenKind kind = bytes ? TokenKind::kNormal : TokenKind::kUnused;
  return place_token(spec, id_limit, key, bytes ? *std::move(bytes) : std::string(text), kind, id);
}

Status read_vocabulary(const JsonObject& vocabulary, size_t id_limit, TokenizerSpec& spec) {
  constexpr std::string_view kKey = "model.vocab";
  std::vector<bool> taken;
  for (const auto& [text, value] : vocabulary) {
    int64_t id = 0;
    if (value.get(id) != simdjson::SUCCESS) {
      return bad(spec, kKey, fmt::format("token {}: expected an integer id", printable(text)));
    }
    ROTOR_TRY(place_vocabulary_token(spec, id_limit, kKey, text, id));
    taken.resize(spec.tokens.size());
    if (taken[static_cast<size_t>(id)]) {
      return bad(spec, kKey,
                 fmt::format("token {} has id {}, which another token has", printable(text), id));
    }
    taken[static_cast<size_t>(id)] = true;
  }
  return Status::ok_status();
}

// An added token may repeat a token of the vocabulary, but only the same one. True when it does.
Result<bool> repeats(const TokenizerSpec& spec, int64_t id, std::string_view content) {
  if (id < 0 || static_cast<uint64_t>(id) >= spec.tokens.size()) {
    return false;
  }
  const std::string& there = spec.tokens[static_cast<size_t>(id)];
  const TokenKind kind = spec.kinds[static_cast<size_t>(id)];
  const bool free = kind == TokenKind::kUnused && there.empty();
  const bool is_byte_bpe = spec.model == TokenizerModel::kByteBpe;
  const bool same = there == content || (is_byte_bpe && alphabet_from_bytes(there) == content);
  const bool added = kind == TokenKind::kControl || kind == TokenKind::kUserDefined;
  if (free || (same && !added)) {
    return !free;
  }
  return bad(spec, "added_tokens",
             fmt::format("{} has id {}, but that is {}", printable(content), id, printable(there)));
}

// Tokens of the vocabulary that are control tokens, by their bytes.
using ControlTokens = std::map<std::string, TokenId, std::less<>>;

// Makes an added token of one in the vocabulary. Merges still make it, unless it is a control token,
// which must not come from plain text; a single byte has no other token and stays ordinary.
void share_token(TokenizerSpec& spec, size_t id, const std::string& content, TokenKind kind,
                 ControlTokens& controls) {
  const bool ordinary = spec.kinds[id] == TokenKind::kNormal;
  const bool is_byte = spec.model == TokenizerModel::kByteBpe && spec.tokens[id].size() == 1;
  spec.kinds[id] = kind;
  if (ordinary && (kind == TokenKind::kUserDefined || is_byte)) {
    spec.shared.push_back({static_cast<TokenId>(id), content});
    return;
  }
  if (ordinary) {
    controls.emplace(std::move(spec.tokens[id]), static_cast<TokenId>(id));
  }
  spec.tokens[id] = content;
}

// Drops the merges that take or make one of the tokens. Where control tokens are recognised no such
// merge applies: their text is cut out before.
void drop_merges_of(const ControlTokens& controls, TokenizerSpec& spec) {
  if (controls.empty()) {
    return;
  }
  std::vector<bool> is_control(spec.tokens.size());
  for (const auto& [bytes, id] : controls) {
    is_control[static_cast<size_t>(id)] = true;
  }
  std::string joined;
  std::erase_if(spec.merges, [&](const MergePair& merge) {
    const auto left = static_cast<size_t>(merge.left);
    const auto right = static_cast<size_t>(merge.right);
    joined.assign(spec.tokens[left]).append(spec.tokens[right]);
    return is_control[left] || is_control[right] || controls.contains(joined);
  });
}

Status read_added_token(JsonValue token, size_t id_limit, TokenizerSpec& spec,
                        ControlTokens& controls) {
  constexpr std::string_view kKey = "added_tokens";
  const std::string where = spec.source + ": added_tokens";
  ROTOR_ASSIGN(const auto id, json_integer(token, "id", where));
  ROTOR_ASSIGN(const auto content, json_string(token, "content", where));
  ROTOR_ASSIGN(const auto special, json_bool(token, "special", where));
  ROTOR_ASSIGN(const auto single_word, json_bool(token, "single_word", where));
  ROTOR_ASSIGN(const auto normalized, json_bool(token, "normalized", where));
  ROTOR_ASSIGN(const auto lstrip, json_bool(token, "lstrip", where));
  ROTOR_ASSIGN(const auto rstrip, json_bool(token, "rstrip", where));
  if (!id || !content || content->empty()) {
    return bad(spec, kKey, "expected objects with \"id\" and \"content\"");
  }
  const TokenKind kind = special.value_or(false) ? TokenKind::kControl : TokenKind::kUserDefined;
  ROTOR_ASSIGN(const bool repeated, repeats(spec, *id, *content));
  if (repeated) {
    share_token(spec, static_cast<size_t>(*id), *content, kind, controls);
  } else {
    ROTOR_TRY(place_token(spec, id_limit, kKey, *content, kind, *id));
  }
  // Control tokens are found in the text as it is: what a normaliser makes of it is nobody's word.
  if (normalized.value_or(false) && kind == TokenKind::kUserDefined) {
    ROTOR_ASSIGN(std::string text, normalize_by_steps(*content, spec.normalizers));
    spec.normalized.push_back({static_cast<TokenId>(*id), std::move(text)});
  }
  if (single_word.value_or(false)) {
    spec.single_word.push_back(static_cast<TokenId>(*id));
  }
  if (lstrip.value_or(false)) {
    spec.strip_left.push_back(static_cast<TokenId>(*id));
  }
  if (rstrip.value_or(false)) {
    spec.strip_right.push_back(static_cast<TokenId>(*id));
  }
  return Status::ok_status();
}

Status read_added_tokens(const std::vector<JsonValue>& added, size_t id_limit,
                         TokenizerSpec& spec) {
  ControlTokens controls;
  for (const JsonValue token : added) {
    ROTOR_TRY(read_added_token(token, id_limit, spec, controls));
  }
  std::sort(spec.shared.begin(), spec.shared.end(),
            [](const AddedText& a, const AddedText& b) { return a.id < b.id; });
  drop_merges_of(controls, spec);
  return Status::ok_status();
}

Status read_merge(JsonValue merge, MergeListReader& reader, const TokenizerSpec& spec) {
  std::string_view text;
  if (merge.get(text) == simdjson::SUCCESS) {
    return reader.add(text);
  }
  JsonArray pair;
  std::string_view left;
  std::string_view right;
  if (merge.get(pair) == simdjson::SUCCESS && pair.size() == 2 &&
      pair.at(0).get(left) == simdjson::SUCCESS && pair.at(1).get(right) == simdjson::SUCCESS) {
    return reader.add(left, right);
  }
  return bad(spec, "model.merges",
             fmt::format("element {}: expected \"left right\" or [\"left\", \"right\"]",
                         spec.merges.size()));
}

Status find_unknown(std::string_view text, TokenizerSpec& spec) {
  const auto found = std::find(spec.tokens.begin(), spec.tokens.end(), text);
  if (found == spec.tokens.end()) {
    return bad(spec, "model.unk_token",
               fmt::format("{} is not in the vocabulary", printable(text)));
  }
  spec.unk = static_cast<TokenId>(found - spec.tokens.begin());
  return Status::ok_status();
}

Status read_bpe(JsonValue model, const std::vector<JsonValue>& added, TokenizerSpec& spec) {
  JsonObject vocabulary;
  JsonArray merges;
  if (model["vocab"].get(vocabulary) != simdjson::SUCCESS) {
    return bad(spec, "model.vocab", "expected an object of tokens and ids");
  }
  if (model["merges"].get(merges) != simdjson::SUCCESS) {
    return bad(spec, "model.merges", "expected an array");
  }
  const size_t id_limit = 2 * (vocabulary.size() + added.size()) + 65'536;
  ROTOR_TRY(read_vocabulary(vocabulary, id_limit, spec));
  {
    // Before the added tokens are placed: a merge may name what is also one of them.
    MergeListReader reader(spec);
    for (const JsonValue merge : merges) {
      ROTOR_TRY(read_merge(merge, reader, spec));
    }
  }
  ROTOR_TRY(read_added_tokens(added, id_limit, spec));
  ROTOR_ASSIGN(const auto ignore_merges, json_bool(model, "ignore_merges", spec.source));
  ROTOR_ASSIGN(const auto fuse_unk, json_bool(model, "fuse_unk", spec.source));
  ROTOR_ASSIGN(const auto unknown, json_string(model, "unk_token", spec.source));
  spec.ignore_merges = ignore_merges.value_or(false);
  spec.fuse_unk = fuse_unk.value_or(false);
  return unknown ? find_unknown(*unknown, spec) : Status::ok_status();
}

// [["token", -1.5], ...], by id.
Status read_unigram(JsonValue model, const std::vector<JsonValue>& added, TokenizerSpec& spec) {
  constexpr std::string_view kKey = "model.vocab";
  constexpr double kUnknownPenalty = 10.0;
  JsonArray vocabulary;
  if (model["vocab"].get(vocabulary) != simdjson::SUCCESS) {
    return bad(spec, kKey, "expected an array of tokens and scores");
  }
  const size_t id_limit = 2 * (vocabulary.size() + added.size()) + 65'536;
  for (const JsonValue entry : vocabulary) {
    JsonArray pair;
    std::string_view text;
    double score = 0;
    if (entry.get(pair) != simdjson::SUCCESS || pair.size() != 2 ||
        pair.at(0).get(text) != simdjson::SUCCESS || pair.at(1).get(score) != simdjson::SUCCESS) {
      return bad(spec, kKey,
                 fmt::format("element {}: expected [\"token\", score]", spec.scores.size()));
    }
    ROTOR_TRY(place_vocabulary_token(spec, id_limit, kKey, text,
                                     static_cast<int64_t>(spec.scores.size())));
    spec.scores.push_back(score);
  }
  if (spec.scores.empty()) {
    return bad(spec, kKey, "expected at least one token");
  }
  spec.unknown_score =
      *std::min_element(spec.scores.begin(), spec.scores.end()) - kUnknownPenalty;
  ROTOR_TRY(read_added_tokens(added, id_limit, spec));
  spec.scores.resize(spec.tokens.size());
  spec.fuse_unk = true;
  ROTOR_ASSIGN(const auto unknown, json_integer(model, "unk_id", spec.source));
  if (unknown && (*unknown < 0 || static_cast<uint64_t>(*unknown) >= vocabulary.size())) {
    return bad(spec, "model.unk_id",
               fmt::format("{}; expected below {}, the number of tokens", *unknown,
                           vocabulary.size()));
  }
  spec.unk = unknown ? static_cast<TokenId>(*unknown) : kNoToken;
  return Status::ok_status();
}

Result<TokenizerSpec> parse(std::string_view json, const std::string& name) {
  ROTOR_ASSIGN(const JsonDocument document, JsonDocument::parse(json, name));
  TokenizerSpec spec;
  spec.source = name + " (tokenizer.json)";
  const std::optional<JsonValue> model = json_member(document.root(), "model");
  if (!model || !model->is_object()) {
    return bad(spec, "model", "expected an object");
  }
  ROTOR_ASSIGN(spec.model, read_model_kind(document.root(), *model, spec.source));
  ROTOR_ASSIGN(const auto fallback, json_bool(*model, "byte_fallback", spec.source));
  spec.byte_fallback = fallback.value_or(false);
  ROTOR_TRY(read_json_normalizer(document.root(), spec));
  std::vector<JsonValue> added;
  if (const auto tokens = json_member(document.root(), "added_tokens")) {
    JsonArray array;
    if (tokens->get(array) != simdjson::SUCCESS) {
      return bad(spec, "added_tokens", "expected an array");
    }
    added.assign(array.begin(), array.end());
  }
  ROTOR_TRY(spec.model == TokenizerModel::kUnigram ? read_unigram(*model, added, spec)
                                                   : read_bpe(*model, added, spec));
  ROTOR_TRY(read_json_pipeline(document.root(), spec));
  return spec;
}

}  // namespace

Result<TokenizerSpec> parse_tokenizer_json(std::string_view json, const std::string& name) {
  try {
    return parse(json, name);
  } catch (const std::bad_alloc&) {
    return out_of_memory(name + ": no memory for its tokenizer");
  }
}

}  // namespace rotor
