// SPDX-License-Identifier: Apache-2.0
// The steps that a tokenizer.json lists, one function each.
#include "text/normalizer.h"

#include <utf8proc.h>

#include <fmt/format.h>

#include <algorithm>

#include "text/unicode.h"
#include "text/unicode_normalization.h"

namespace rotor {
namespace {

constexpr size_t kMaxSteps = 32;

// Unicode's simple mappings are its full ones but for U+0130, which takes two characters.
std::string lowercase(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    if (c.code_point == 0x130) {
      out += "i\xCC\x87";
    } else if (c.valid) {
      append_utf8(static_cast<char32_t>(
                      utf8proc_tolower(static_cast<utf8proc_int32_t>(c.code_point))),
                  out);
    } else {
      out += text.substr(at, c.length);
    }
    at += c.length;
  }
  return out;
}

std::string strip_accents(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c.code_point));
    const bool mark = category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
                      category == UTF8PROC_CATEGORY_ME;
    if (!c.valid || !mark) {
      out += text.substr(at, c.length);
    }
    at += c.length;
  }
  return out;
}

// Every run of `from`, of at least `least`, becomes `to`; with `least` 1 every single one does.
// Stops when there are more than `limit` bytes.
std::string replace(std::string_view text, const std::string& from, const std::string& to,
                    size_t least, size_t limit) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size() && out.size() <= limit;) {
    const size_t found = std::min(text.find(from, at), text.size());
    out += text.substr(at, found - at);
    at = found;
    size_t count = 0;
    while ((least > 1 || count == 0) && text.substr(at).starts_with(from)) {
      at += from.size();
      ++count;
    }
    if (count > 0) {
      out += count >= least ? to : from;
    }
  }
  return out;
}

std::string apply_step(std::string text, const NormalizerStep& step, size_t limit) {
  switch (step.kind) {
    case NormalizerKind::kNfc:
      return normalize(text, NormalForm::kNfc);
    case NormalizerKind::kNfd:
      return normalize(text, NormalForm::kNfd);
    case NormalizerKind::kNfkc:
      return normalize(text, NormalForm::kNfkc);
    case NormalizerKind::kNfkd:
      return normalize(text, NormalForm::kNfkd);
    case NormalizerKind::kLowercase:
      return lowercase(text);
    case NormalizerKind::kStripAccents:
      return strip_accents(text);
    case NormalizerKind::kStrip:
      text.erase(0, step.left ? leading_white_space(text) : 0);
      text.resize(text.size() - (step.right ? trailing_white_space(text) : 0));
      return text;
    case NormalizerKind::kReplace:
      return replace(text, step.from, step.to, 1, limit);
    case NormalizerKind::kReplaceRuns:
      return replace(text, step.from, step.to, 2, limit);
    case NormalizerKind::kPrepend:
      return text.empty() ? text : step.to + text;
  }
  return text;
}

Status too_large(size_t size) {
  return unsupported(fmt::format("normalising makes more than {} bytes of {} bytes of text",
                                 normalized_limit(size), size));
}

}  // namespace

size_t leading_white_space(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const Utf8Char c = decode_utf8(text, at);
    if (!is_white_space(char_class(c.code_point))) {
      break;
    }
    at += c.length;
  }
  return at;
}

size_t trailing_white_space(std::string_view text) {
  size_t end = text.size();
  while (end > 0) {
    const size_t at = last_character(text.substr(0, end));
    if (!is_white_space(char_class(decode_utf8(text.substr(0, end), at).code_point))) {
      break;
    }
    end = at;
  }
  return text.size() - end;
}

Result<std::string> normalize_by_steps(std::string_view text,
                                       const std::vector<NormalizerStep>& steps) {
  const size_t limit = normalized_limit(text.size());
  std::string out(text);
  for (const NormalizerStep& step : steps) {
    out = apply_step(std::move(out), step, limit);
    if (out.size() > limit) {
      return too_large(text.size());
    }
  }
  return out;
}

Result<Normalizer> Normalizer::create(const TokenizerSpec& spec) {
  Normalizer normalizer;
  for (const NormalizerStep& step : spec.normalizers) {
    const bool replaces =
        step.kind == NormalizerKind::kReplace || step.kind == NormalizerKind::kReplaceRuns;
    if (replaces && step.from.empty()) {
      return format_error(spec.source + ": a normalizer replaces the empty text");
    }
    if (std::max(step.from.size(), step.to.size()) > kMaxAddedTokenBytes) {
      return unsupported(fmt::format("{}: a normalizer's text has {} bytes; expected at most {}",
                                     spec.source, std::max(step.from.size(), step.to.size()),
                                     kMaxAddedTokenBytes));
    }
  }
  if (spec.normalizers.size() > kMaxSteps) {
    return unsupported(fmt::format("{}: {} normalizers; expected at most {}", spec.source,
                                   spec.normalizers.size(), kMaxSteps));
  }
  normalizer.steps_ = spec.normalizers;
  if (spec.sentencepiece) {
    ROTOR_ASSIGN(normalizer.sentencepiece_,
                 SentencePieceNormalizer::create(*spec.sentencepiece, spec.source));
  }
  return normalizer;
}

Result<std::string> Normalizer::apply(std::string_view text) const {
  if (!sentencepiece_) {
    return normalize_by_steps(text, steps_);
  }
  const size_t limit = normalized_limit(text.size());
  std::string out = sentencepiece_->apply(text, limit);
  return out.size() <= limit ? Result<std::string>(std::move(out)) : too_large(text.size());
}

}  // namespace rotor
