// SPDX-License-Identifier: Apache-2.0
// StopMatcher: ends a stream of text at stop strings. Text that may still become a stop string is
// held back, so nothing of a stop string is ever shown, wherever the pieces of the stream end.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace rotor {

// Copies (one per answer) are independent. Time: linear in the text, times the number of strings.
class StopMatcher {
 public:
  // Stop strings are valid UTF-8 and not empty (kInvalidArgument), so that text is only ever cut
  // between characters.
  static Result<StopMatcher> create(const std::vector<std::string>& stops);

  // Appends to `shown` what of the stream is now certain not to belong to a stop string. True when
  // a stop string is complete: the stream ends just before it. The string whose last byte comes
  // first wins, of several that end there the longest; so pieces may be cut anywhere. After true,
  // text is ignored until reset().
  bool append(std::string_view text, std::string& shown);

  // The stream ended: appends what was held back.
  void finish(std::string& shown);

  // For a new stream.
  void reset();

 private:
  // Knuth-Morris-Pratt matching of one string.
  struct Pattern {
    std::string text;
    std::vector<size_t> border;  // border[i]: longest proper border of text[0..i]
    size_t matched = 0;          // longest prefix of `text` that the stream ends with
    bool advance(char byte);     // true when complete
  };
  explicit StopMatcher(const std::vector<std::string>& stops);

  std::vector<Pattern> patterns_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace rotor
