// SPDX-License-Identifier: Apache-2.0
// The order of sentencepiece's normalizer: the prefix first, if text is left once leading spaces are
// gone; then character by character; last, trailing marks go.
#include "text/sentencepiece_normalizer.h"

#include "text/unicode.h"

namespace rotor {

Result<SentencePieceNormalizer> SentencePieceNormalizer::create(const SentencePieceRules& rules,
                                                                const std::string& source) {
  SentencePieceNormalizer normalizer;
  ROTOR_ASSIGN(normalizer.charsmap_, SentencePieceCharsmap::create(rules.charsmap, source));
  std::vector<AddedText> protected_texts;
  for (const std::string& text : rules.protected_texts) {
    protected_texts.push_back({0, text});
  }
  ROTOR_ASSIGN(normalizer.protected_, AddedTokenMatcher::from_texts(protected_texts, source));
  normalizer.add_dummy_prefix_ = rules.add_dummy_prefix;
  normalizer.remove_extra_whitespaces_ = rules.remove_extra_whitespaces;
  return normalizer;
}

// What the characters at byte `at` become.
SentencePieceNormalizer::Step SentencePieceNormalizer::next(std::string_view text,
                                                            size_t at) const {
  if (const auto match = protected_.longest(text, at, 0); match.length > 0) {
    return {match.length, text.substr(at, match.length)};
  }
  if (const auto match = charsmap_.longest(text.substr(at)); match.length > 0) {
    return {match.length, match.replacement};
  }
  const size_t length = decode_utf8(text, at).length;
  return {length, text.substr(at, length)};
}

std::string SentencePieceNormalizer::apply(std::string_view text, size_t limit) const {
  size_t at = 0;
  while (remove_extra_whitespaces_ && at < text.size()) {
    const Step step = next(text, at);
    if (step.normalized != " ") {
      break;
    }
    at += step.length;
  }
  std::string out;
  if (at == text.size()) {
    return out;
  }
  out.reserve(text.size() + text.size() / 4);
  if (add_dummy_prefix_) {
    out += kSpaceMark;
  }
  bool after_space = remove_extra_whitespaces_;
  while (at < text.size() && out.size() <= limit) {
    auto [length, normalized] = next(text, at);
    at += length;
    while (after_space && normalized.starts_with(' ')) {
      normalized.remove_prefix(1);
    }
    if (normalized.empty()) {
      continue;
    }
    for (const char c : normalized) {
      out += c == ' ' ? kSpaceMark : std::string_view(&c, 1);
    }
    after_space = remove_extra_whitespaces_ && normalized.ends_with(' ');
  }
  while (remove_extra_whitespaces_ && out.ends_with(kSpaceMark)) {
    out.resize(out.size() - kSpaceMark.size());
  }
  return out;
}

}  // namespace rotor
