// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer_json_normalizer.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "text/tokenizer_json_components.h"
#include "text/unicode.h"

namespace rotor {
namespace {

constexpr std::string_view kKinds =
    "NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Replace or Prepend";

constexpr std::array<std::pair<std::string_view, NormalizerKind>, 6> kPlain = {{
    {"NFC", NormalizerKind::kNfc},
    {"NFD", NormalizerKind::kNfd},
    {"NFKC", NormalizerKind::kNfkc},
    {"NFKD", NormalizerKind::kNfkd},
    {"Lowercase", NormalizerKind::kLowercase},
    {"StripAccents", NormalizerKind::kStripAccents},
}};

Result<NormalizerStep> read_replace(const JsonComponent& c) {
  NormalizerStep step;
  step.kind = NormalizerKind::kReplace;
  ROTOR_ASSIGN(const JsonPattern pattern, json_pattern(c));
  ROTOR_ASSIGN(const auto content, json_string(c.value, "content", c.where));
  step.from = pattern.text;
  step.to = content.value_or("");
  if (pattern.is_regex) {
    // The one expression that the converters of SentencePiece models write.
    if (pattern.text != " {2,}") {
      return unsupported(fmt::format("{}.pattern: unsupported Regex {}; expected \" {{2,}}\" or a "
                                     "String",
                                     c.where, printable(pattern.text)));
    }
    step.kind = NormalizerKind::kReplaceRuns;
    step.from = " ";
  }
  if (step.from.empty()) {
    return format_error(c.where + ".pattern: expected a text that is not empty");
  }
  return step;
}

Result<NormalizerStep> read_step(const JsonComponent& c) {
  NormalizerStep step;
  for (const auto& [name, kind] : kPlain) {
    if (c.type == name) {
      step.kind = kind;
      return step;
    }
  }
  if (c.type == "Replace") {
    return read_replace(c);
  }
  if (c.type == "Prepend") {
    ROTOR_ASSIGN(const auto text, json_string(c.value, "prepend", c.where));
    step.kind = NormalizerKind::kPrepend;
    step.to = text.value_or("");
    return step;
  }
  if (c.type == "Strip") {
    ROTOR_ASSIGN(const auto left, json_bool(c.value, "strip_left", c.where));
    ROTOR_ASSIGN(const auto right, json_bool(c.value, "strip_right", c.where));
    step.kind = NormalizerKind::kStrip;
    step.left = left.value_or(true);
    step.right = right.value_or(true);
    return step;
  }
  return unsupported_kind(c, kKinds);
}

}  // namespace

Status read_json_normalizer(JsonValue root, TokenizerSpec& spec) {
  ROTOR_ASSIGN(const std::vector<JsonComponent> list,
               json_components(root, "normalizer", "normalizers", spec.source));
  for (const JsonComponent& c : list) {
    ROTOR_ASSIGN(NormalizerStep step, read_step(c));
    spec.normalizers.push_back(std::move(step));
  }
  return Status::ok_status();
}

}  // namespace rotor
