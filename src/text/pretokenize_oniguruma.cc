// SPDX-License-Identifier: Apache-2.0
// One pass over the pattern. What each class holds was compared over all code points with
// Oniguruma's answer; the sets below are the insides of [...].
#include "text/pretokenize_oniguruma.h"

#include <algorithm>
#include <array>

#include "text/unicode.h"

namespace rotor {
namespace {

// Oniguruma's \w. It counts the superscripts and fractions of Latin-1, and no other numbers that
// are not digits or letters.
constexpr std::string_view kWord =
    R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{b2}\x{b3}\x{b9}\x{bc}-\x{be})";

// The property White_Space, and all else.
constexpr std::string_view kSpace =
    R"(\t-\r\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::string_view kNotSpace =
    R"(\x{0}-\x{8}\x{e}-\x{1f}\x{21}-\x{84}\x{86}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff})"
    R"(\x{200b}-\x{2027}\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff})";

// Names in \p{..} that are no scripts, though longer than those of the general categories.
constexpr std::array<std::string_view, 6> kBinaryProperties = {
    "Any", "Alphabetic", "Alpha", "Lowercase", "Uppercase", "White_Space"};

std::string set_of(std::string_view inside) { return "[" + std::string(inside) + "]"; }

std::string edge_of_word(bool edge) {
  const std::string word = set_of(kWord);
  const std::string after = "(?<=" + word + ")";
  const std::string not_after = "(?<!" + word + ")";
  const std::string before = "(?=" + word + ")";
  const std::string not_before = "(?!" + word + ")";
  return edge ? "(?:" + after + not_before + "|" + not_after + before + ")"
              : "(?:" + after + before + "|" + not_after + not_before + ")";
}

class Translator {
 public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {}

  Result<std::string> run() {
    while (at_ < pattern_.size()) {
      if (pattern_[at_] == '\\') {
        ROTOR_TRY(escape());
      } else if (in_set_) {
        ROTOR_TRY(within_set());
      } else {
        ROTOR_TRY(outside_set());
      }
    }
    return std::move(out_);
  }

 private:
  Status refuse(size_t length) const {
    return unsupported(printable(pattern_.substr(at_, length)) +
                       " does not mean the same in PCRE2 as in Oniguruma, for which tokenizer "
                       "files are written");
  }

  void copy(size_t length) {
    out_ += pattern_.substr(at_, length);
    at_ = std::min(at_ + length, pattern_.size());
  }

  void replace(size_t length, const std::string& with) {
    out_ += with;
    at_ += length;
  }

  // At a backslash.
  Status escape() {
    const char letter = at_ + 1 < pattern_.size() ? pattern_[at_ + 1] : '\0';
    switch (letter) {
      case 'h':
      case 'H': return refuse(2);
      case 'w': replace(2, in_set_ ? std::string(kWord) : set_of(kWord)); return {};
      case 's': replace(2, in_set_ ? std::string(kSpace) : set_of(kSpace)); return {};
      case 'S': replace(2, in_set_ ? std::string(kNotSpace) : set_of(kNotSpace)); return {};
      case 'W':
        if (in_set_) {
          return refuse(2);
        }
        replace(2, set_of("^" + std::string(kWord)));
        return {};
      case 'b':
      case 'B':
        if (in_set_) {  // a backspace, or an error
          copy(2);
        } else {
          replace(2, edge_of_word(letter == 'b'));
        }
        return {};
      case 'p':
      case 'P': property(); return {};
      default: braced_escape(letter); return {};
    }
  }

  // At \p or \P.
  void property() {
    const size_t close = pattern_.find('}', at_);
    if (pattern_.substr(at_ + 2, 1) != "{" || close == std::string_view::npos) {
      copy(2);
      return;
    }
    const size_t length = close + 1 - at_;
    const std::string_view name = pattern_.substr(at_ + 3, length - 4);
    const bool is_script =
        name.size() > 2 && std::find(kBinaryProperties.begin(), kBinaryProperties.end(), name) ==
                               kBinaryProperties.end();
    if (is_script) {
      out_ += pattern_.substr(at_, 3);
      out_ += "sc:";
      out_ += name;
      out_ += '}';
      at_ += length;
    } else {
      copy(length);
    }
  }

  // At any other escape; \x{..} is copied whole, so that its brace is no repetition.
  void braced_escape(char letter) {
    const size_t close = pattern_.find('}', at_);
    const bool braced = (letter == 'x' || letter == 'o') && pattern_.substr(at_ + 2, 1) == "{" &&
                        close != std::string_view::npos;
    copy(braced ? close + 1 - at_ : 2);
  }

  Status within_set() {
    if (pattern_.substr(at_, 2) == "&&") {
      return refuse(2);
    }
    if (pattern_[at_] == '[') {  // a set within a set, or a POSIX class
      return refuse(1);
    }
    in_set_ = pattern_[at_] != ']';
    copy(1);
    return {};
  }

  Status outside_set() {
    if (pattern_[at_] == '[') {
      in_set_ = true;
      copy(pattern_.substr(at_ + 1, 1) == "^" ? 2 : 1);
      if (at_ < pattern_.size() && pattern_[at_] == ']') {  // the first is a member
        copy(1);
      }
      return {};
    }
    if (pattern_.substr(at_, 2) == "}+") {  // repeats in Oniguruma, is possessive in PCRE2
      return refuse(2);
    }
    copy(1);
    return {};
  }

  std::string_view pattern_;
  std::string out_;
  size_t at_ = 0;
  bool in_set_ = false;
};

}  // namespace

Result<std::string> pcre2_from_oniguruma(std::string_view pattern) {
  return Translator(pattern).run();
}

}  // namespace rotor
