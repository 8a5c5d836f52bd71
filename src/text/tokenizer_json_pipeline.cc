// SPDX-License-Identifier: Apache-2.0
// Hugging Face's pipeline components, as far as byte-level BPE tokenizers use them. A "Sequence"
// may hold only plain components, so there is nothing to recurse into.
#include "text/tokenizer_json_pipeline.h"

#include <fmt/format.h>

#include <functional>
#include <string>
#include <vector>

#include "text/pretokenize.h"
#include "text/unicode.h"

namespace rotor {
namespace {

struct Component {
  JsonValue value;
  std::string type;
  std::string where;  // "<file>: pre_tokenizer.pretokenizers[1]"
};

Result<Component> component(JsonValue value, std::string where) {
  if (!value.is_object()) {
    return format_error(where + ": expected an object");
  }
  ROTOR_ASSIGN(const auto type, json_string(value, "type", where));
  if (!type) {
    return format_error(where + ": expected a \"type\"");
  }
  return Component{value, *type, std::move(where)};
}

// The components of root[key]: none when absent or null, the members of a Sequence, or itself.
Result<std::vector<Component>> components(JsonValue root, std::string_view key,
                                          std::string_view members_key, const std::string& source) {
  std::vector<Component> list;
  const std::optional<JsonValue> value = json_member(root, key);
  if (!value) {
    return list;
  }
  ROTOR_ASSIGN(Component whole, component(*value, fmt::format("{}: {}", source, key)));
  if (whole.type != "Sequence") {
    list.push_back(std::move(whole));
    return list;
  }
  JsonArray members;
  if (value->at_key(members_key).get(members) != simdjson::SUCCESS) {
    return format_error(fmt::format("{}.{}: expected an array", whole.where, members_key));
  }
  for (const JsonValue member : members) {
    ROTOR_ASSIGN(Component part, component(member, fmt::format("{}.{}[{}]", whole.where,
                                                               members_key, list.size())));
    list.push_back(std::move(part));
  }
  return list;
}

Status unsupported_kind(const Component& c, std::string_view expected) {
  return unsupported(
      fmt::format("{}: unsupported kind {}; expected {}", c.where, printable(c.type), expected));
}

Status read_normalizer(const Component& c, TokenizerSpec& spec) {
  if (c.type != "NFC") {
    return unsupported_kind(c, "NFC or none");
  }
  spec.normalize_nfc = true;
  return Status::ok_status();
}

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

// {"pattern": {"Regex": "..."} or {"String": "..."}, "behavior": ..., "invert": ...}
Status read_split(const Component& c, TokenizerSpec& spec) {
  const std::optional<JsonValue> pattern = json_member(c.value, "pattern");
  if (!pattern) {
    return format_error(c.where + ": expected a \"pattern\"");
  }
  ROTOR_ASSIGN(const auto regex, json_string(*pattern, "Regex", c.where));
  ROTOR_ASSIGN(const auto literal, json_string(*pattern, "String", c.where));
  ROTOR_ASSIGN(const auto behavior, json_string(c.value, "behavior", c.where));
  ROTOR_ASSIGN(const auto invert, json_bool(c.value, "invert", c.where));
  if (!regex && !literal) {
    return format_error(c.where + ".pattern: expected \"Regex\" or \"String\"");
  }
  const SplitRule rule = regex ? split_rule_from_pattern(*regex)
                               : SplitRule{SplitKind::kRegex, escape_pattern(*literal)};
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

Status read_byte_level(const Component& c, TokenizerSpec& spec) {
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

Status read_pre_tokenizers(JsonValue root, TokenizerSpec& spec) {
  ROTOR_ASSIGN(const std::vector<Component> list,
               components(root, "pre_tokenizer", "pretokenizers", spec.source));
  bool byte_level = false;
  for (const Component& c : list) {
    if (byte_level) {
      return unsupported(c.where + ": expected ByteLevel to be the last component");
    }
    if (c.type == "ByteLevel") {
      byte_level = true;
      ROTOR_TRY(read_byte_level(c, spec));
    } else if (c.type == "Split") {
      ROTOR_TRY(read_split(c, spec));
    } else if (c.type == "Digits") {
      ROTOR_ASSIGN(const auto individual, json_bool(c.value, "individual_digits", c.where));
      const bool alone = individual.value_or(false);
      spec.splits.push_back(alone ? SplitRule{SplitKind::kDigits, {}}
                                  : SplitRule{SplitKind::kRegex, "\\p{N}+"});
    } else {
      return unsupported_kind(c, "ByteLevel, Split or Digits");
    }
  }
  if (!byte_level) {
    return unsupported(spec.source +
                       ": pre_tokenizer: expected a ByteLevel component: Rotor reads "
                       "byte-level BPE");
  }
  return Status::ok_status();
}

// {"SpecialToken": {"id": "<bos>", "type_id": 0}} as a token id.
Result<TokenId> template_token(const Component& c, JsonValue special, const TokenizerSpec& spec) {
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
Status read_template(const Component& c, TokenizerSpec& spec) {
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
  ROTOR_ASSIGN(const std::vector<Component> list,
               components(root, "post_processor", "processors", spec.source));
  bool seen = false;
  for (const Component& c : list) {
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

Status check_decoder(JsonValue root, const TokenizerSpec& spec) {
  ROTOR_ASSIGN(const std::vector<Component> list,
               components(root, "decoder", "decoders", spec.source));
  for (const Component& c : list) {
    if (c.type != "ByteLevel" && c.type != "Fuse") {
      return unsupported_kind(c, "ByteLevel");
    }
  }
  return Status::ok_status();
}

}  // namespace

Status read_json_pipeline(JsonValue root, TokenizerSpec& spec) {
  ROTOR_ASSIGN(const std::vector<Component> normalizers,
               components(root, "normalizer", "normalizers", spec.source));
  for (const Component& c : normalizers) {
    ROTOR_TRY(read_normalizer(c, spec));
  }
  ROTOR_TRY(read_pre_tokenizers(root, spec));
  ROTOR_TRY(read_post_processors(root, spec));
  return check_decoder(root, spec);
}

}  // namespace rotor
