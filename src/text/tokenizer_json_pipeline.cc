// SPDX-License-Identifier: Apache-2.0
// Hugging Face's pre-tokenizers, post-processors and decoders, as far as these models use them.
#include "text/tokenizer_json_pipeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "text/pretokenize.h"
#include "text/tokenizer_json_components.h"
#include "text/unicode.h"

namespace rotor {
namespace {

std::string escape_pattern(std::string_view literal) {
  std::string pattern;
  for (const char c : literal) {
    if (std::string_view("\\^$.|?*+()[]{}-#& ").find(c) != std::string_view::npos) {
      pattern += '\\';
    }
    pattern += c;
  }
  return pattern;
}

bool replaces_spaces(const TokenizerSpec& spec) {
  return std::any_of(spec.normalizers.begin(), spec.normalizers.end(), [](const auto& step) {
    return step.kind == NormalizerKind::kReplace && step.from == " " &&
           step.to.find(' ') == std::string::npos;
  });
}

// {"pattern": {"Regex": "..."} or {"String": "..."}, "behavior": ..., "invert": ...}
Status read_split(const JsonComponent& c, TokenizerSpec& spec) {
  ROTOR_ASSIGN(const JsonPattern pattern, json_pattern(c));
  ROTOR_ASSIGN(const auto behavior, json_string(c.value, "behavior", c.where));
  ROTOR_ASSIGN(const auto invert, json_bool(c.value, "invert", c.where));
  const bool is_space = !pattern.is_regex && pattern.text == " ";
  if (is_space && behavior && *behavior == "MergedWithPrevious" && replaces_spaces(spec)) {
    return Status::ok_status();  // Gemma: the normalizer has left no space to split at
  }
  const SplitRule rule = pattern.is_regex
                             ? split_rule_from_pattern(pattern.text)
                             : SplitRule{SplitKind::kRegex, escape_pattern(pattern.text)};
  // "Removed", inverted, keeps the matches alone; the published patterns match everything.
  const bool isolated = behavior && *behavior == "Isolated";
  const bool keeps_matches = behavior && *behavior == "Removed" && invert.value_or(false) &&
                             rule.kind != SplitKind::kRegex;
  if (!isolated && !keeps_matches) {
    return unsupported(fmt::format("{}: unsupported behavior {}; expected \"Isolated\"", c.where,
                                   behavior ? printable(*behavior) : "(none)"));
  }
  spec.splits.push_back(rule);
  return Status::ok_status();
}

Status read_byte_level(const JsonComponent& c, TokenizerSpec& spec) {
  ROTOR_ASSIGN(const auto prefix, json_bool(c.value, "add_prefix_space", c.where));
  ROTOR_ASSIGN(const auto use_regex, json_bool(c.value, "use_regex", c.where));
  if (prefix.value_or(false)) {
    return unsupported(c.where + ": add_prefix_space is true; expected false");
  }
  if (use_regex.value_or(true)) {
    spec.splits.push_back({SplitKind::kGpt2, {}});
  }
  return Status::ok_status();
}

// Where Metaspace puts a mark in front: "prepend_scheme", or "add_prefix_space" in older files.
Result<Metaspace::Prefix> read_prefix(const JsonComponent& c) {
  ROTOR_ASSIGN(const auto scheme, json_string(c.value, "prepend_scheme", c.where));
  ROTOR_ASSIGN(const auto prefix, json_bool(c.value, "add_prefix_space", c.where));
  if (!scheme) {
    return prefix.value_or(true) ? Metaspace::Prefix::kAlways : Metaspace::Prefix::kNever;
  }
  if (*scheme == "always") {
    return Metaspace::Prefix::kAlways;
  }
  if (*scheme == "first") {
    return Metaspace::Prefix::kFirst;
  }
  if (*scheme == "never") {
    return Metaspace::Prefix::kNever;
  }
  return unsupported(fmt::format("{}.prepend_scheme: {}; expected \"always\", \"first\" or \"never\"",
                                 c.where, printable(*scheme)));
}

Result<std::string> read_mark(const JsonComponent& c) {
  ROTOR_ASSIGN(const auto mark, json_string(c.value, "replacement", c.where));
  if (mark && mark->empty()) {
    return format_error(c.where + ".replacement: expected a character");
  }
  return mark ? *mark : std::string(kSpaceMark);
}

Status read_metaspace(const JsonComponent& c, TokenizerSpec& spec) {
  Metaspace metaspace;
  ROTOR_ASSIGN(metaspace.mark, read_mark(c));
  ROTOR_ASSIGN(metaspace.prefix, read_prefix(c));
  ROTOR_ASSIGN(const auto split, json_bool(c.value, "split", c.where));
  if (split.value_or(true)) {
    spec.splits.push_back({SplitKind::kBefore, metaspace.mark});
  }
  const bool strips = std::any_of(
      spec.normalizers.begin(), spec.normalizers.end(),
      [](const auto& step) { return step.kind == NormalizerKind::kStrip && step.left; });
  if (strips && metaspace.prefix == Metaspace::Prefix::kFirst) {
    // Whether text from which spaces were stripped starts at the start is an accident of offsets.
    return unsupported(c.where + ".prepend_scheme: \"first\" after a normalizer Strip; expected "
                                 "\"always\" or \"never\"");
  }
  spec.metaspace = metaspace;
  return Status::ok_status();
}

Status read_pre_tokenizers(JsonValue root, TokenizerSpec& spec) {
  ROTOR_ASSIGN(const std::vector<JsonComponent> list,
               json_components(root, "pre_tokenizer", "pretokenizers", spec.source));
  const bool is_byte_bpe = spec.model == TokenizerModel::kByteBpe;
  bool byte_level = false;
  for (const JsonComponent& c : list) {
    if (byte_level) {
      return unsupported(c.where + ": expected ByteLevel to be the last component");
    }
    if (c.type == "ByteLevel" && is_byte_bpe) {
      byte_level = true;
      ROTOR_TRY(read_byte_level(c, spec));
    } else if (c.type == "Metaspace" && !is_byte_bpe) {
      if (&c != &list.front()) {
        return unsupported(c.where + ": expected Metaspace to be the first component");
      }
      ROTOR_TRY(read_metaspace(c, spec));
    } else if (c.type == "Split") {
      ROTOR_TRY(read_split(c, spec));
    } else if (c.type == "Digits") {
      ROTOR_ASSIGN(const auto individual, json_bool(c.value, "individual_digits", c.where));
      const bool alone = individual.value_or(false);
      spec.splits.push_back(alone ? SplitRule{SplitKind::kDigits, {}}
                                  : SplitRule{SplitKind::kRegex, "\\p{N}+"});
    } else {
      return unsupported_kind(c, is_byte_bpe ? "ByteLevel, Split or Digits"
                                             : "Metaspace, Split, Digits or ByteLevel");
    }
  }
  return Status::ok_status();
}

// {"SpecialToken": {"id": "<bos>", "type_id": 0}} as a token id.
Result<TokenId> template_token(const JsonComponent& c, JsonValue special, const TokenizerSpec& spec) {
  ROTOR_ASSIGN(const auto text, json_string(special, "id", c.where));
  if (!text) {
    return format_error(c.where + ".single: expected a SpecialToken with an \"id\"");
  }
  for (size_t i = spec.tokens.size(); i-- > 0;) {
    if (spec.kinds[i] != TokenKind::kNormal && spec.tokens[i] == *text) {
      return static_cast<TokenId>(i);
    }
  }
  return format_error(
      fmt::format("{}.single: {} is not an added token", c.where, printable(*text)));
}

// "single": at most one token before the text and one after it.
Status read_template(const JsonComponent& c, TokenizerSpec& spec) {
  JsonArray single;
  if (c.value["single"].get(single) != simdjson::SUCCESS) {
    return format_error(c.where + ".single: expected an array");
  }
  bool text_seen = false;
  for (const JsonValue part : single) {
    if (json_member(part, "Sequence")) {
      if (text_seen) {
        return unsupported(c.where + ".single: expected the text once");
      }
      text_seen = true;
      continue;
    }
    const std::optional<JsonValue> special = json_member(part, "SpecialToken");
    if (!special) {
      return format_error(c.where + ".single: expected SpecialToken or Sequence");
    }
    ROTOR_ASSIGN(const TokenId id, template_token(c, *special, spec));
    bool& wanted = text_seen ? spec.add_eos : spec.add_bos;
    if (wanted) {
      return unsupported(c.where +
                         ".single: expected at most one token before and one after the "
                         "text");
    }
    wanted = true;
    (text_seen ? spec.eos : spec.bos) = id;
  }
  if (!text_seen) {
    return format_error(c.where + ".single: expected the text (a Sequence)");
  }
  return Status::ok_status();
}

Status read_post_processors(JsonValue root, TokenizerSpec& spec) {
  ROTOR_ASSIGN(const std::vector<JsonComponent> list,
               json_components(root, "post_processor", "processors", spec.source));
  bool seen = false;
  for (const JsonComponent& c : list) {
    if (c.type == "ByteLevel") {
      continue;  // moves offsets, not ids
    }
    if (c.type != "TemplateProcessing" || seen) {
      return unsupported_kind(c, "ByteLevel and one TemplateProcessing");
    }
    seen = true;
    ROTOR_TRY(read_template(c, spec));
  }
  return Status::ok_status();
}

Status check_byte_decoder(JsonValue root, const TokenizerSpec& spec) {
  ROTOR_ASSIGN(const std::vector<JsonComponent> list,
               json_components(root, "decoder", "decoders", spec.source));
  for (const JsonComponent& c : list) {
    if (c.type != "ByteLevel" && c.type != "Fuse") {
      return unsupported_kind(c, "ByteLevel");
    }
  }
  return Status::ok_status();
}

// {"type": "Strip", "content": " ", "start": 1, "stop": 0}
Status read_strip(const JsonComponent& c, TokenizerSpec& spec) {
  ROTOR_ASSIGN(const auto content, json_string(c.value, "content", c.where));
  ROTOR_ASSIGN(const auto start, json_integer(c.value, "start", c.where));
  ROTOR_ASSIGN(const auto stop, json_integer(c.value, "stop", c.where));
  if (content.value_or(" ") != " " || start.value_or(0) > 1 || stop.value_or(0) != 0) {
    return unsupported(c.where + ": expected to strip one \" \" at the start at most");
  }
  spec.first_space = start.value_or(0) == 1 ? FirstSpace::kDropOne : spec.first_space;
  return Status::ok_status();
}

Status read_mark_decoder(JsonValue root, TokenizerSpec& spec) {
  ROTOR_ASSIGN(const std::vector<JsonComponent> list,
               json_components(root, "decoder", "decoders", spec.source));
  for (const JsonComponent& c : list) {
    if (c.type == "Replace") {
      ROTOR_ASSIGN(const JsonPattern pattern, json_pattern(c));
      ROTOR_ASSIGN(const auto content, json_string(c.value, "content", c.where));
      if (pattern.is_regex || pattern.text.empty() || content.value_or("") != " ") {
        return unsupported(c.where + ": expected to replace a String by \" \"");
      }
      spec.space_mark = pattern.text;
    } else if (c.type == "Metaspace") {
      ROTOR_ASSIGN(spec.space_mark, read_mark(c));
      ROTOR_ASSIGN(const Metaspace::Prefix prefix, read_prefix(c));
      spec.first_space = prefix == Metaspace::Prefix::kNever ? FirstSpace::kKeep
                                                             : FirstSpace::kDropWholeToken;
    } else if (c.type == "Strip") {
      ROTOR_TRY(read_strip(c, spec));
    } else if (c.type != "ByteFallback" && c.type != "Fuse") {
      return unsupported_kind(c, "Metaspace, Replace, ByteFallback, Fuse or Strip");
    }
  }
  return Status::ok_status();
}

}  // namespace

Status read_json_pipeline(JsonValue root, TokenizerSpec& spec) {
  ROTOR_TRY(read_pre_tokenizers(root, spec));
  ROTOR_TRY(read_post_processors(root, spec));
  return spec.model == TokenizerModel::kByteBpe ? check_byte_decoder(root, spec)
                                                : read_mark_decoder(root, spec);
}

Result<bool> has_byte_level(JsonValue root, const std::string& source) {
  ROTOR_ASSIGN(const std::vector<JsonComponent> list,
               json_components(root, "pre_tokenizer", "pretokenizers", source));
  return std::any_of(list.begin(), list.end(),
                     [](const JsonComponent& c) { return c.type == "ByteLevel"; });
}

}  // namespace rotor
