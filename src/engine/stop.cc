// SPDX-License-Identifier: Apache-2.0
// Stop strings, matched byte by byte, so that the result cannot depend on how the stream is cut.
#include "engine/stop.h"

#include <algorithm>

#include "text/unicode.h"

namespace rotor {

Result<StopMatcher> StopMatcher::create(const std::vector<std::string>& stops) {
  for (size_t i = 0; i < stops.size(); ++i) {
    if (stops[i].empty()) {
      return invalid_argument("stop string " + std::to_string(i) + " is empty");
    }
    const size_t valid = valid_utf8_prefix(stops[i]);
    if (valid != stops[i].size()) {
      return invalid_argument("stop string " + std::to_string(i) + " is not UTF-8 at byte " +
                              std::to_string(valid));
    }
  }
  return StopMatcher(stops);
}

StopMatcher::StopMatcher(const std::vector<std::string>& stops) {
  for (const std::string& stop : stops) {
    Pattern pattern{stop, std::vector<size_t>(stop.size(), 0)};
    for (size_t i = 1, length = 0; i < stop.size(); ++i) {
      while (length > 0 && stop[i] != stop[length]) {
        length = pattern.border[length - 1];
      }
      length += stop[i] == stop[length];
      pattern.border[i] = length;
    }
    patterns_.push_back(std::move(pattern));
  }
}

bool StopMatcher::Pattern::advance(char byte) {
  while (matched > 0 && byte != text[matched]) {
    matched = border[matched - 1];
  }
  matched += byte == text[matched];
  return matched == text.size();
}

bool StopMatcher::append(std::string_view text, std::string& shown) {
  if (stopped_) {
    return true;
  }
  for (const char byte : text) {
    held_ += byte;
    size_t possible = 0;  // bytes at the end that may belong to a stop string
    size_t complete = 0;  // length of the longest stop string that ends here
    for (Pattern& pattern : patterns_) {
      if (pattern.advance(byte)) {
        complete = std::max(complete, pattern.text.size());
      }
      possible = std::max(possible, pattern.matched);
    }
    if (complete > 0) {
      shown.append(held_, 0, held_.size() - complete);
      held_.clear();
      stopped_ = true;
      return true;
    }
    const size_t certain = held_.size() - possible;
    shown.append(held_, 0, certain);
    held_.erase(0, certain);
  }
  return false;
}

void StopMatcher::finish(std::string& shown) {
  shown += held_;
  held_.clear();
}

void StopMatcher::reset() {
  for (Pattern& pattern : patterns_) {
    pattern.matched = 0;
  }
  held_.clear();
  stopped_ = false;
}

}  // namespace rotor
