// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer_json_writer.h"

#include <algorithm>
#include <boost/json.hpp>
#include <new>
#include <vector>

#include "text/bpe_alphabet.h"
#include "text/pretokenize.h"
#include "text/tokenizer_merge_list.h"
#include "text/unicode.h"

namespace rotor {
namespace {

namespace json = boost::json;

const std::string& bytes_of(const TokenizerSpec& spec, TokenId id) {
  return spec.tokens[static_cast<size_t>(id)];
}

bool is_added(TokenKind kind) {
  return kind == TokenKind::kControl || kind == TokenKind::kUserDefined;
}

json::object write_model(const TokenizerSpec& spec) {
  const std::vector<MergePair> merges = merge_list(spec);
  std::vector<bool> in_vocabulary(spec.tokens.size());
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    in_vocabulary[id] = spec.kinds[id] == TokenKind::kNormal;
  }
  for (const SharedToken& token : spec.shared) {
    in_vocabulary[static_cast<size_t>(token.id)] = true;
  }
  json::object vocabulary;
  vocabulary.reserve(spec.tokens.size());
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    if (in_vocabulary[id]) {
      vocabulary.emplace(alphabet_from_bytes(spec.tokens[id]), id);
    }
  }
  json::array pairs;
  pairs.reserve(merges.size());
  for (const MergePair& merge : merges) {
    pairs.push_back(json::array{alphabet_from_bytes(bytes_of(spec, merge.left)),
                                alphabet_from_bytes(bytes_of(spec, merge.right))});
  }
  json::object model{{"type", "BPE"}, {"dropout", nullptr}, {"unk_token", nullptr},
                     {"byte_fallback", false}, {"ignore_merges", spec.ignore_merges}};
  if (spec.unk != kNoToken) {
    model["unk_token"] = bytes_of(spec, spec.unk);
  }
  model["vocab"] = std::move(vocabulary);
  model["merges"] = std::move(pairs);
  return model;
}

Result<json::array> write_added_tokens(const TokenizerSpec& spec) {
  const auto contains = [](const std::vector<TokenId>& ids, size_t id) {
    return std::find(ids.begin(), ids.end(), static_cast<TokenId>(id)) != ids.end();
  };
  json::array added;
  auto shared = spec.shared.begin();
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    if (!is_added(spec.kinds[id])) {
      continue;
    }
    const bool is_shared = shared != spec.shared.end() && shared->id == static_cast<TokenId>(id);
    const std::string& content = is_shared ? (shared++)->text : spec.tokens[id];
    if (valid_utf8_prefix(content) != content.size()) {
      return unsupported(spec.source + ": token " + std::to_string(id) +
                         " is an added token but no text; tokenizer.json cannot hold it");
    }
    added.push_back({{"id", id},
                     {"content", content},
                     {"single_word", false},
                     {"lstrip", contains(spec.strip_left, id)},
                     {"rstrip", contains(spec.strip_right, id)},
                     {"normalized", false},
                     {"special", spec.kinds[id] == TokenKind::kControl}});
  }
  return added;
}

json::object write_pre_tokenizer(const TokenizerSpec& spec) {
  json::array parts;
  for (const SplitRule& rule : spec.splits) {
    if (rule.kind == SplitKind::kDigits) {
      parts.push_back({{"type", "Digits"}, {"individual_digits", true}});
      continue;
    }
    parts.push_back({{"type", "Split"},
                     {"pattern", {{"Regex", pattern_of_split_rule(rule)}}},
                     {"behavior", "Isolated"},
                     {"invert", false}});
  }
  parts.push_back({{"type", "ByteLevel"},
                   {"add_prefix_space", false},
                   {"trim_offsets", true},
                   {"use_regex", false}});
  return {{"type", "Sequence"}, {"pretokenizers", std::move(parts)}};
}

// The token before or after the text, where the tokenizer adds one.
json::value write_post_processor(const TokenizerSpec& spec) {
  const bool bos = spec.add_bos && spec.bos != kNoToken;
  const bool eos = spec.add_eos && spec.eos != kNoToken;
  if (!bos && !eos) {
    return nullptr;
  }
  json::array single;
  json::object specials;
  const auto add = [&](TokenId id) {
    const std::string& text = bytes_of(spec, id);
    single.push_back(json::object{{"SpecialToken", {{"id", text}, {"type_id", 0}}}});
    specials[text] = {{"id", text}, {"ids", json::array{id}}, {"tokens", json::array{text}}};
  };
  if (bos) {
    add(spec.bos);
  }
  single.push_back(json::object{{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  if (eos) {
    add(spec.eos);
  }
  return json::object{{"type", "TemplateProcessing"},
                      {"single", std::move(single)},
                      {"pair", json::array()},
                      {"special_tokens", std::move(specials)}};
}

Result<std::string> write(const TokenizerSpec& spec) {
  ROTOR_ASSIGN(json::array added, write_added_tokens(spec));
  json::object out;
  out["version"] = "1.0";
  out["truncation"] = nullptr;
  out["padding"] = nullptr;
  out["added_tokens"] = std::move(added);
  out["normalizer"] = spec.normalize_nfc ? json::value(json::object{{"type", "NFC"}}) : json::value(nullptr);
  out["pre_tokenizer"] = write_pre_tokenizer(spec);
  out["post_processor"] = write_post_processor(spec);
  out["decoder"] = {{"type", "ByteLevel"},
                    {"add_prefix_space", true},
                    {"trim_offsets", true},
                    {"use_regex", true}};
  out["model"] = write_model(spec);
  return json::serialize(out);
}

}  // namespace

Result<std::string> write_tokenizer_json(const TokenizerSpec& spec) {
  try {
    return write(spec);
  } catch (const std::bad_alloc&) {
    return out_of_memory(spec.source + ": no memory for its tokenizer.json");
  }
}

}  // namespace rotor
