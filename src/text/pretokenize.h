// SPDX-License-Identifier: Apache-2.0
// Pretokenizer: cuts text into the pieces within which merges happen. The published split patterns
// are hand-written scanners over Unicode classes that take time linear in the text; any other
// pattern runs in PCRE2 (pretokenize_regex.h). Pieces cover the text: nothing is dropped, and bytes
// that are not UTF-8 count as symbols, as the U+FFFD that a lossy reader would put there.
#pragma once

#include <rotor/status.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/pretokenize_regex.h"
#include "text/tokenizer_spec.h"

namespace rotor {

// The byte after the piece that starts at `at`, by GPT-2's pattern:
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// REQUIRES: at < text.size().
size_t gpt2_piece_end(std::string_view text, size_t at);

// The same for Llama 3's pattern, where `digits` is 3 (Llama 3) or 1 (Qwen 2):
//   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}
//   | ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
size_t llama3_piece_end(std::string_view text, size_t at, int digits);

// The rule whose published pattern `pattern` is, else kRegex with the pattern.
SplitRule split_rule_from_pattern(std::string_view pattern);
// The reverse. Valid as long as the rule.
std::string_view pattern_of_split_rule(const SplitRule& rule);

// Immutable; split() may be called from several threads.
class Pretokenizer {
 public:
  // Compiles foreign patterns; kUnsupported when one is beyond PCRE2 or means something else there.
  static Result<Pretokenizer> create(std::span<const SplitRule> rules, const std::string& source);

  // Replaces `ends` by the byte after each piece, ascending; the last is text.size(). Empty text
  // has no piece. Fails only when a foreign pattern hits its limits.
  Status split(std::string_view text, std::vector<size_t>& ends) const;

 private:
  struct Stage {
    SplitKind kind;
    std::shared_ptr<const SplitRegex> regex;  // kRegex only
    std::string text;                         // kBefore only
  };

  static Status split_stage(const Stage& stage, std::string_view text, size_t offset,
                            std::vector<size_t>& ends);

  std::vector<Stage> stages_;
};

}  // namespace rotor
