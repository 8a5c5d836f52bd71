// SPDX-License-Identifier: Apache-2.0
// The tag half of the lexer: names, numbers, strings and operators between {{ }} and {% %}.
#include <algorithm>
#include <charconv>

#include "text/jinja/characters.h"
#include "text/jinja/lexer.h"
#include "text/unicode.h"

namespace rotor::jinja {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name_char(char c) { return is_name_start(c) || is_digit(c); }

// The end of digits that may be parted by single underscores; `at` itself when there is none.
size_t digits_end(std::string_view text, size_t at) {
  while (at < text.size() && is_digit(text[at])) {
    ++at;
    if (at + 1 < text.size() && text[at] == '_' && is_digit(text[at + 1])) {
      ++at;
    }
  }
  return at;
}

std::string without_underscores(std::string_view text) {
  std::string out(text);
  std::erase(out, '_');
  return out;
}

}  // namespace

Result<Token> Lexer::next_in_tag() {
  for (;;) {
    const size_t begin = position_;
    if (begin == source_.size()) {
      return token(TokenKind::kEnd, begin, begin);
    }
    const bool is_output = state_ == State::kOutput;
    if (open_brackets_.empty() && (is_output ? skip_output_end(begin) : skip_block_end(begin))) {
      state_ = State::kText;
      return token(is_output ? TokenKind::kOutputEnd : TokenKind::kBlockEnd, begin, position_);
    }
    position_ = skip_spaces(begin);
    if (position_ == begin) {
      break;
    }
  }
  const char c = source_[position_];
  if (is_digit(c)) {
    return number();
  }
  if (is_name_start(c)) {
    const size_t begin = position_;
    while (is_name_char(byte_at(position_))) {
      ++position_;
    }
    return token(TokenKind::kName, begin, position_);
  }
  return c == '\'' || c == '"' ? string() : operator_token();
}

Result<Token> Lexer::number() {
  const size_t begin = position_;
  if (source_[begin] == '0') {
    const char base = static_cast<char>(byte_at(begin + 1) | 0x20);
    if (base == 'x' || base == 'o' || base == 'b') {
      return based_integer(base == 'x' ? 16 : base == 'o' ? 8 : 2);
    }
  }
  size_t end = digits_end(source_, begin);
  const size_t integer_end = end;
  if (begin > 0 && source_[begin - 1] == '.') {
    return integer_token(begin, integer_end);  // x.0.1: items of items, not a real number
  }
  if (byte_at(end) == '.' && is_digit(byte_at(end + 1))) {
    end = digits_end(source_, end + 1);
  }
  if ((byte_at(end) | 0x20) == 'e') {
    const size_t exponent = end + (sign_at(end + 1) != '\0' ? 2 : 1);
    end = is_digit(byte_at(exponent)) ? digits_end(source_, exponent) : end;
  }
  if (end == integer_end) {
    return integer_token(begin, integer_end);
  }
  const std::string digits = without_underscores(source_.substr(begin, end - begin));
  Token number = token(TokenKind::kReal, begin, end);
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number.real);
  if (parsed.ec != std::errc()) {
    return fail(begin, "expected a number a double can hold, got " + printable(digits));
  }
  position_ = end;
  return number;
}

Result<Token> Lexer::integer_token(size_t begin, size_t end) {
  // 0, 00 and 0_0 are zero, but 07 is the two tokens 0 and 7.
  if (source_[begin] == '0') {
    size_t zeros = begin;
    while (zeros < end && (source_[zeros] == '0' || source_[zeros] == '_')) {
      ++zeros;
    }
    end = zeros;
  }
  const std::string digits = without_underscores(source_.substr(begin, end - begin));
  Token number = token(TokenKind::kInteger, begin, end);
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number.integer);
  if (parsed.ec != std::errc()) {
    return fail(begin, "expected an integer of 64 bits, got " + printable(digits));
  }
  position_ = end;
  return number;
}

Result<Token> Lexer::based_integer(int base) {
  const size_t begin = position_;
  size_t end = begin + 2;
  while (is_name_char(byte_at(end))) {
    ++end;
  }
  const std::string digits = without_underscores(source_.substr(begin + 2, end - begin - 2));
  Token number = token(TokenKind::kInteger, begin, end);
  const char* last = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), last, number.integer, base);
  if (parsed.ec != std::errc() || parsed.ptr != last) {
    return fail(begin, "expected an integer of 64 bits in base " + std::to_string(base) + ", got " +
                           printable(source_.substr(begin, end - begin)));
  }
  position_ = end;
  return number;
}

Result<Token> Lexer::string() {
  const size_t begin = position_;
  const char quote = source_[begin];
  Token text = token(TokenKind::kString, begin, begin + 1);
  size_t at = begin + 1;
  while (at < source_.size() && source_[at] != quote) {
    if (source_[at] != '\\') {
      text.value += source_[at++];
      continue;
    }
    ROTOR_TRY(unescape(at, text.value));
  }
  if (at >= source_.size()) {
    return fail(begin, "this string never ends");
  }
  position_ = at + 1;
  return text;
}

// The escapes of Python's unicode-escape codec, but \N{name}; an unknown one keeps its backslash.
Status Lexer::unescape(size_t& at, std::string& out) const {
  static constexpr std::string_view kLetters = "abfnrtv\\'\"";
  static constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"";
  const char c = byte_at(at + 1);
  if (const size_t found = kLetters.find(c); found != std::string_view::npos) {
    out += kMeanings[found];
    at += 2;
    return Status();
  }
  if (c == '\n') {
    at += 2;
    return Status();
  }
  const bool octal = c >= '0' && c <= '7';
  const size_t digits = octal ? 3 : c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
  if (digits == 0) {
    if (c == 'N') {
      return fail(at, "expected another escape, got \\N, which Rotor does not know");
    }
    out += '\\';
    ++at;
    return Status();
  }
  const size_t begin = at + (octal ? 1 : 2);
  const std::string_view text = source_.substr(std::min(begin, source_.size()), digits);
  uint32_t code_point = 0;
  const auto parsed =
      std::from_chars(text.data(), text.data() + text.size(), code_point, octal ? 8 : 16);
  const auto used = static_cast<size_t>(parsed.ptr - text.data());
  if (!octal && used != digits) {
    return fail(at, "expected " + std::to_string(digits) + " hexadecimal digits after \\" + c);
  }
  if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point <= 0xDFFF)) {
    return fail(at, "expected a Unicode scalar value, got " +
                        printable(source_.substr(at, begin + used - at)));
  }
  append_utf8(code_point, out);
  at = begin + used;
  return Status();
}

Result<Token> Lexer::operator_token() {
  static constexpr std::string_view kOperators[] = {
      "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
      "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ","};
  const size_t begin = position_;
  const std::string_view rest = source_.substr(begin);
  for (const std::string_view spelling : kOperators) {
    if (!rest.starts_with(spelling)) {
      continue;
    }
    const char c = spelling[0];
    if (c == '(' || c == '[' || c == '{') {
      open_brackets_ += c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
      if (open_brackets_.empty() || open_brackets_.back() != c) {
        return fail(begin, "expected " +
                               (open_brackets_.empty() ? std::string("no bracket to close")
                                                       : std::string(1, open_brackets_.back())) +
                               ", got " + c);
      }
      open_brackets_.pop_back();
    }
    position_ = begin + spelling.size();
    return token(TokenKind::kOperator, begin, position_);
  }
  return fail(begin, "expected a name, a value or an operator, got " +
                         printable(rest.substr(0, decode_utf8(rest, 0).length)));
}

}  // namespace rotor::jinja
