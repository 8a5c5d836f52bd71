// SPDX-License-Identifier: Apache-2.0
// Scanners for the published split patterns. Each follows the pattern's alternatives in order; what
// backtracking does there is worked out by hand. A scanner looks at a byte at most twice.
#include "text/pretokenize.h"

#include <algorithm>
#include <array>
#include <utility>

#include "text/unicode.h"

namespace rotor {
namespace {

constexpr std::array<std::pair<std::string_view, SplitKind>, 3> kPublishedPatterns = {{
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
     "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     SplitKind::kLlama3},
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
     "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     SplitKind::kQwen2},
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
     SplitKind::kGpt2},
}};

struct Classified {
  CharClass kind = CharClass::kOther;
  uint32_t length = 0;  // 0: the text has ended
};

Classified class_at(std::string_view text, size_t at) {
  if (at >= text.size()) {
    return {};
  }
  const Utf8Char c = decode_utf8(text, at);
  return {char_class(c.code_point), c.length};
}

// The end of the run of characters of class `kind` that starts at `at`, of at most `most`.
size_t run_end(std::string_view text, size_t at, CharClass kind, size_t most = SIZE_MAX) {
  for (; most > 0; --most) {
    const Classified c = class_at(text, at);
    if (c.length == 0 || c.kind != kind) {
      break;
    }
    at += c.length;
  }
  return at;
}

bool ends_text(std::string_view text, size_t at) { return at >= text.size(); }

// 's 't 're 've 'm 'll 'd: the end of the contraction at `at`, or `at` when there is none.
size_t contraction_end(std::string_view text, size_t at, bool any_case) {
  if (text[at] != '\'') {
    return at;
  }
  const auto letter = [&](size_t i) -> char {
    const char c = i < text.size() ? text[i] : '\0';
    return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  const char first = letter(at + 1);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') {
    return at + 2;
  }
  const char second = letter(at + 2);
  if ((second == 'e' && (first == 'r' || first == 'v')) || (first == 'l' && second == 'l')) {
    return at + 3;
  }
  // U+017F, the long s, is the one other character that folds to one of these letters.
  if (any_case && text.substr(at + 1, 2) == "\xC5\xBF") {
    return at + 3;
  }
  return at;
}

// \s+(?!\S)|\s+ : a run of white space leaves its last character to what follows it, if anything
// does and anything is left.
size_t space_end(std::string_view text, size_t at) {
  size_t end = at;
  size_t last = at;
  for (Classified c = class_at(text, end); c.length > 0 && is_white_space(c.kind);
       c = class_at(text, end)) {
    last = end;
    end += c.length;
  }
  return ends_text(text, end) || last == at ? end : last;
}

// \s*[\r\n]+ : through the last line break of a run of white space; `at` when it has none.
size_t newline_end(std::string_view text, size_t at) {
  size_t found = at;
  size_t end = at;
  for (Classified c = class_at(text, end); c.length > 0 && is_white_space(c.kind);
       c = class_at(text, end)) {
    end += c.length;
    if (c.kind == CharClass::kNewline) {
      found = end;
    }
  }
  return found;
}

size_t digit_piece_end(std::string_view text, size_t at) {
  Classified c = class_at(text, at);
  const bool number = c.kind == CharClass::kNumber;
  do {
    at += c.length;
    c = class_at(text, at);
  } while (!number && c.length > 0 && c.kind != CharClass::kNumber);
  return at;
}

}  // namespace

size_t gpt2_piece_end(std::string_view text, size_t at) {
  if (const size_t end = contraction_end(text, at, false); end > at) {
    return end;
  }
  const size_t start = text[at] == ' ' ? at + 1 : at;
  const Classified c = class_at(text, start);
  if (c.length > 0 && !is_white_space(c.kind)) {
    return run_end(text, start, c.kind);
  }
  return space_end(text, at);
}

size_t llama3_piece_end(std::string_view text, size_t at, int digits) {
  if (const size_t end = contraction_end(text, at, true); end > at) {
    return end;
  }
  const Classified first = class_at(text, at);
  const size_t second_at = at + first.length;
  const Classified second = class_at(text, second_at);
  if (first.kind == CharClass::kLetter) {
    return run_end(text, at, CharClass::kLetter);
  }
  const bool second_is_letter = second.length > 0 && second.kind == CharClass::kLetter;
  if (second_is_letter && first.kind != CharClass::kNumber && first.kind != CharClass::kNewline) {
    return run_end(text, second_at, CharClass::kLetter);
  }
  if (first.kind == CharClass::kNumber) {
    return run_end(text, at, CharClass::kNumber, static_cast<size_t>(digits));
  }
  const size_t symbol_at = text[at] == ' ' ? second_at : at;
  if (const size_t end = run_end(text, symbol_at, CharClass::kOther); end > symbol_at) {
    return run_end(text, end, CharClass::kNewline);
  }
  if (const size_t end = newline_end(text, at); end > at) {
    return end;
  }
  return space_end(text, at);
}

SplitRule split_rule_from_pattern(std::string_view pattern) {
  for (const auto& [known, kind] : kPublishedPatterns) {
    if (pattern == known) {
      return {kind, {}};
    }
  }
  return {SplitKind::kRegex, std::string(pattern)};
}

std::string_view pattern_of_split_rule(const SplitRule& rule) {
  for (const auto& [known, kind] : kPublishedPatterns) {
    if (rule.kind == kind) {
      return known;
    }
  }
  return rule.kind == SplitKind::kDigits ? std::string_view("\\p{N}") : rule.pattern;
}

Result<Pretokenizer> Pretokenizer::create(std::span<const SplitRule> rules,
                                          const std::string& source) {
  Pretokenizer pretokenizer;
  for (const SplitRule& rule : rules) {
    Stage stage{rule.kind, nullptr, rule.kind == SplitKind::kBefore ? rule.pattern : ""};
    if (rule.kind == SplitKind::kBefore && rule.pattern.empty()) {
      return format_error(source + ": a split before the empty text");
    }
    if (rule.kind == SplitKind::kRegex) {
      ROTOR_ASSIGN(SplitRegex regex, SplitRegex::compile(rule.pattern, source));
      stage.regex = std::make_shared<const SplitRegex>(std::move(regex));
    }
    pretokenizer.stages_.push_back(std::move(stage));
  }
  return pretokenizer;
}

// Appends the ends of the pieces of `text`, which starts `offset` bytes into the whole.
Status Pretokenizer::split_stage(const Stage& stage, std::string_view text, size_t offset,
                                 std::vector<size_t>& ends) {
  if (stage.kind == SplitKind::kRegex) {
    return stage.regex->split(text, offset, ends);
  }
  for (size_t at = 0; at < text.size();) {
    switch (stage.kind) {
      case SplitKind::kGpt2:
        at = gpt2_piece_end(text, at);
        break;
      case SplitKind::kLlama3:
        at = llama3_piece_end(text, at, 3);
        break;
      case SplitKind::kQwen2:
        at = llama3_piece_end(text, at, 1);
        break;
      case SplitKind::kDigits:
        at = digit_piece_end(text, at);
        break;
      case SplitKind::kBefore:
        at = std::min(text.find(stage.text, at + 1), text.size());
        break;
      case SplitKind::kRegex:
        at = text.size();
        break;
    }
    ends.push_back(offset + at);
  }
  return Status::ok_status();
}

Status Pretokenizer::split(std::string_view text, std::vector<size_t>& ends) const {
  ends.clear();
  if (text.empty()) {
    return Status::ok_status();
  }
  ends.push_back(text.size());
  std::vector<size_t> finer;
  for (const Stage& stage : stages_) {
    finer.clear();
    size_t begin = 0;
    for (const size_t end : ends) {
      ROTOR_TRY(split_stage(stage, text.substr(begin, end - begin), begin, finer));
      begin = end;
    }
    std::swap(ends, finer);
  }
  return Status::ok_status();
}

}  // namespace rotor
