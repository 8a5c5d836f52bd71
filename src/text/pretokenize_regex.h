// SPDX-License-Identifier: Apache-2.0
// SplitRegex: a split pattern that a tokenizer file brings along, run by PCRE2 (JIT where there is
// one) under limits on pattern size, matching effort, backtracking memory and stack. Text that is
// not UTF-8 is legal: broken bytes are pieces of their own.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace rotor {

// Backtracking steps that one match may take, and KiB of heap it may use.
inline constexpr uint32_t kRegexMatchLimit = 1'000'000;
inline constexpr uint32_t kRegexHeapLimit = 64 * 1024;
inline constexpr size_t kRegexMaxPattern = 16 * 1024;

// Immutable; split() may be called from several threads.
class SplitRegex {
 public:
  // Patterns in these files are written for Oniguruma (pretokenize_oniguruma.h). kUnsupported,
  // naming the pattern, when PCRE2 refuses it or would read it differently.
  static Result<SplitRegex> compile(const std::string& pattern, const std::string& source);

  // Appends to `ends` the ends, plus `offset`, of the pieces of `text`: every match and every
  // stretch between matches. kUnsupported, naming the limit and the byte, when a match takes too
  // much.
  Status split(std::string_view text, size_t offset, std::vector<size_t>& ends) const;

 private:
  struct Code;

  std::shared_ptr<const Code> code_;
  std::string pattern_;
  std::string source_;
};

}  // namespace rotor
