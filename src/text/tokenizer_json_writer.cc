// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer_json_writer.h"

#include <algorithm>
#include <boost/json.hpp>
#include <new>
#include <utility>
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

// The token as the file spells it.
std::string spelled(const TokenizerSpec& spec, TokenId id) {
  return spec.model == TokenizerModel::kByteBpe ? alphabet_from_bytes(bytes_of(spec, id))
                                                : bytes_of(spec, id);
}

// Added tokens among the others are in the vocabulary too: to those that are not, `tokenizers` gives the
// ids after it.
json::object write_vocabulary(const TokenizerSpec& spec) {
  const std::vector<bool> ordinary = ordinary_tokens(spec);
  json::object vocabulary;
  vocabulary.reserve(spec.tokens.size());
  std::vector<size_t> added;
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    if (ordinary[id] || spec.kinds[id] == TokenKind::kByte) {
      vocabulary.emplace(spelled(spec, static_cast<TokenId>(id)), id);
      for (const size_t before : std::exchange(added, {})) {
        vocabulary.emplace(spec.tokens[before], before);
      }
    } else if (is_added(spec.kinds[id])) {
      added.push_back(id);
    }
  }
  return vocabulary;
}

json::object write_bpe(const TokenizerSpec& spec) {
  const std::vector<MergePair> merges = merge_list(spec);
  json::object vocabulary = write_vocabulary(spec);
  json::array pairs;
  pairs.reserve(merges.size());
  for (const MergePair& merge : merges) {
    pairs.push_back(json::array{spelled(spec, merge.left), spelled(spec, merge.right)});
  }
  json::object model{{"type", "BPE"},
                     {"dropout", nullptr},
                     {"unk_token", nullptr},
                     {"fuse_unk", spec.fuse_unk},
                     {"byte_fallback", spec.byte_fallback},
                     {"ignore_merges", spec.ignore_merges}};
  if (spec.unk != kNoToken) {
    model["unk_token"] = bytes_of(spec, spec.unk);
    vocabulary.emplace(spelled(spec, spec.unk), spec.unk);  // which the format asks for
  }
  model["vocab"] = std::move(vocabulary);
  model["merges"] = std::move(pairs);
  return model;
}

// Every id has its entry, for the place in the array is the id. Added tokens beyond the last that
// text may become need none.
json::object write_unigram(const TokenizerSpec& spec) {
  const std::vector<bool> ordinary = ordinary_tokens(spec);
  size_t size = spec.unk == kNoToken ? 0 : static_cast<size_t>(spec.unk) + 1;
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    size = ordinary[id] || spec.kinds[id] == TokenKind::kByte ? std::max(size, id + 1) : size;
  }
  json::array vocabulary;
  for (size_t id = 0; id < size; ++id) {
    vocabulary.push_back(json::array{spec.tokens[id], spec.scores[id]});
  }
  json::object model{{"type", "Unigram"}, {"unk_id", nullptr}, {"byte_fallback", spec.byte_fallback}};
  if (spec.unk != kNoToken) {
    model["unk_id"] = spec.unk;
  }
  model["vocab"] = std::move(vocabulary);
  return model;
}

json::object write_model(const TokenizerSpec& spec) {
  return spec.model == TokenizerModel::kUnigram ? write_unigram(spec) : write_bpe(spec);
}

Result<json::array> write_added_tokens(const TokenizerSpec& spec) {
  const auto contains = [](const std::vector<TokenId>& ids, size_t id) {
    return std::find(ids.begin(), ids.end(), static_cast<TokenId>(id)) != ids.end();
  };
  std::vector<TokenId> normalized;
  for (const AddedText& token : spec.normalized) {
    normalized.push_back(token.id);
  }
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
                     {"single_word", contains(spec.single_word, id)},
                     {"lstrip", contains(spec.strip_left, id)},
                     {"rstrip", contains(spec.strip_right, id)},
                     {"normalized", contains(normalized, id)},
                     {"special", spec.kinds[id] == TokenKind::kControl}});
  }
  return added;
}

json::object pattern_component(std::string_view type, std::string_view pattern_kind,
                               std::string_view pattern) {
  return {{"type", type}, {"pattern", {{pattern_kind, pattern}}}};
}

json::value write_normalizer(const TokenizerSpec& spec) {
  json::array steps;
  const auto add = [&](const char* type) { steps.push_back(json::object{{"type", type}}); };
  for (const NormalizerStep& step : spec.normalizers) {
    switch (step.kind) {
      case NormalizerKind::kNfc: add("NFC"); break;
      case NormalizerKind::kNfd: add("NFD"); break;
      case NormalizerKind::kNfkc: add("NFKC"); break;
      case NormalizerKind::kNfkd: add("NFKD"); break;
      case NormalizerKind::kLowercase: add("Lowercase"); break;
      case NormalizerKind::kStripAccents: add("StripAccents"); break;
      case NormalizerKind::kStrip:
        steps.push_back({{"type", "Strip"}, {"strip_left", step.left}, {"strip_right", step.right}});
        break;
      case NormalizerKind::kPrepend:
        steps.push_back({{"type", "Prepend"}, {"prepend", step.to}});
        break;
      case NormalizerKind::kReplace:
      case NormalizerKind::kReplaceRuns: {
        const bool runs = step.kind == NormalizerKind::kReplaceRuns;
        json::object replace = runs ? pattern_component("Replace", "Regex", step.from + "{2,}")
                                    : pattern_component("Replace", "String", step.from);
        replace["content"] = step.to;
        steps.push_back(std::move(replace));
        break;
      }
    }
  }
  if (steps.empty()) {
    return nullptr;
  }
  return json::object{{"type", "Sequence"}, {"normalizers", std::move(steps)}};
}

const char* prefix_name(Metaspace::Prefix prefix) {
  switch (prefix) {
    case Metaspace::Prefix::kNever: return "never";
    case Metaspace::Prefix::kFirst: return "first";
    case Metaspace::Prefix::kAlways: break;
  }
  return "always";
}

json::value write_pre_tokenizer(const TokenizerSpec& spec) {
  json::array parts;
  if (spec.metaspace) {
    const bool split = !spec.splits.empty() && spec.splits[0].kind == SplitKind::kBefore;
    parts.push_back({{"type", "Metaspace"},
                     {"replacement", spec.metaspace->mark},
                     {"prepend_scheme", prefix_name(spec.metaspace->prefix)},
                     {"split", split}});
  }
  for (const SplitRule& rule : spec.splits) {
    if (rule.kind == SplitKind::kBefore) {
      continue;  // Metaspace's
    }
    if (rule.kind == SplitKind::kDigits) {
      parts.push_back({{"type", "Digits"}, {"individual_digits", true}});
      continue;
    }
    json::object split = pattern_component("Split", "Regex", pattern_of_split_rule(rule));
    split["behavior"] = "Isolated";
    split["invert"] = false;
    parts.push_back(std::move(split));
  }
  if (spec.model == TokenizerModel::kByteBpe) {
    parts.push_back({{"type", "ByteLevel"},
                     {"add_prefix_space", false},
                     {"trim_offsets", true},
                     {"use_regex", false}});
  }
  if (parts.empty()) {
    return nullptr;
  }
  return json::object{{"type", "Sequence"}, {"pretokenizers", std::move(parts)}};
}

json::value write_decoder(const TokenizerSpec& spec) {
  if (spec.model == TokenizerModel::kByteBpe) {
    return {{"type", "ByteLevel"},
            {"add_prefix_space", true},
            {"trim_offsets", true},
            {"use_regex", true}};
  }
  json::array parts;
  if (spec.first_space == FirstSpace::kDropWholeToken) {
    parts.push_back({{"type", "Metaspace"},
                     {"replacement", spec.space_mark},
                     {"prepend_scheme", "always"},
                     {"split", true}});
  } else if (!spec.space_mark.empty()) {
    json::object replace = pattern_component("Replace", "String", spec.space_mark);
    replace["content"] = " ";
    parts.push_back(std::move(replace));
  }
  parts.push_back(json::object{{"type", "ByteFallback"}});
  parts.push_back(json::object{{"type", "Fuse"}});
  if (spec.first_space == FirstSpace::kDropOne) {
    parts.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  }
  return json::object{{"type", "Sequence"}, {"decoders", std::move(parts)}};
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

// Merges by score and SentencePiece's own normalisation have no place in the format.
Status check_has_a_form(const TokenizerSpec& spec) {
  const bool by_score = spec.model == TokenizerModel::kCharacterBpe && !spec.scores.empty();
  if (by_score || spec.sentencepiece || spec.single_precision) {
    return unsupported(spec.source + ": a SentencePiece model has scores and rules of its own, "
                                     "for which tokenizer.json has no place");
  }
  return Status::ok_status();
}

Result<std::string> write(const TokenizerSpec& spec) {
  ROTOR_TRY(check_has_a_form(spec));
  ROTOR_ASSIGN(json::array added, write_added_tokens(spec));
  json::object out;
  out["version"] = "1.0";
  out["truncation"] = nullptr;
  out["padding"] = nullptr;
  out["added_tokens"] = std::move(added);
  out["normalizer"] = write_normalizer(spec);
  out["pre_tokenizer"] = write_pre_tokenizer(spec);
  out["post_processor"] = write_post_processor(spec);
  out["decoder"] = write_decoder(spec);
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
