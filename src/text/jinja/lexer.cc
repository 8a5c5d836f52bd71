// SPDX-License-Identifier: Apache-2.0
// The text half of the lexer: tags, comments, raw blocks and whitespace control.
#include "text/jinja/lexer.h"

#include <algorithm>

#include "text/jinja/characters.h"
#include "text/unicode.h"

namespace rotor::jinja {

std::string normalize_newlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out += source[i];
    } else {
      out += '\n';
      i += i + 1 < source.size() && source[i + 1] == '\n' ? 1 : 0;
    }
  }
  if (!out.empty() && out.back() == '\n') {
    out.pop_back();
  }
  return out;
}

std::string describe_position(std::string_view source, size_t offset) {
  const std::string_view before = source.substr(0, std::min(offset, source.size()));
  const size_t newline = before.rfind('\n');
  const size_t line_start = newline == std::string_view::npos ? 0 : newline + 1;
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  return "line " + std::to_string(line) + ", column " +
         std::to_string(1 + count_characters(before.substr(line_start)));
}

Status Lexer::fail(size_t at, std::string_view message) const {
  return format_error(describe_position(source_, at) + ": " + std::string(message));
}

Token Lexer::token(TokenKind kind, size_t begin, size_t end) const {
  Token token;
  token.kind = kind;
  token.offset = begin;
  token.spelling = source_.substr(begin, end - begin);
  return token;
}

Result<Token> Lexer::next() { return state_ == State::kText ? next_text() : next_in_tag(); }

char Lexer::sign_at(size_t at) const {
  const char c = byte_at(at);
  return c == '-' || c == '+' ? c : '\0';
}

size_t Lexer::skip_spaces(size_t at) const {
  while (at < source_.size()) {
    const Utf8Char c = decode_utf8(source_, at);
    if (!is_space(c.code_point)) {
      break;
    }
    at += c.length;
  }
  return at;
}

size_t Lexer::find_tag(size_t at) const {
  for (at = source_.find('{', at); at != std::string_view::npos; at = source_.find('{', at + 1)) {
    const char c = byte_at(at + 1);
    if (c == '{' || c == '%' || c == '#') {
      return at;
    }
  }
  return source_.size();
}

Result<Token> Lexer::next_text() {
  while (position_ < source_.size()) {
    const size_t tag = find_tag(position_);
    const bool at_end = tag == source_.size();
    const std::string_view before =
        at_end ? source_.substr(position_)
               : trimmed_before(position_, tag, sign_at(tag + 2), source_[tag + 1] == '{');
    if (!before.empty()) {
      Token text = token(TokenKind::kText, position_, tag);
      text.value = before;
      position_ = tag;  // the tag is met again, then with nothing before it
      return text;
    }
    if (source_[tag + 1] != '#') {
      return enter_tag(tag);
    }
    ROTOR_TRY(skip_comment(tag));
  }
  return token(TokenKind::kEnd, position_, position_);
}

std::string_view Lexer::trimmed_before(size_t begin, size_t tag, char sign, bool is_output) const {
  const std::string_view text = source_.substr(begin, tag - begin);
  if (sign == '-') {
    return trim_end(text);
  }
  if (sign == '+' || is_output) {
    return text;
  }
  const size_t newline = text.rfind('\n');
  const bool starts_line = begin == 0 || source_[begin - 1] == '\n';
  if (newline == std::string_view::npos && !starts_line) {
    return text;
  }
  const size_t line_start = newline == std::string_view::npos ? 0 : newline + 1;
  const bool only_blanks = trim_end(text.substr(line_start)).empty();
  return only_blanks ? text.substr(0, line_start) : text;
}

Result<Token> Lexer::enter_tag(size_t tag) {
  const char kind = source_[tag + 1];
  if (kind == '%') {
    const size_t body = raw_body(tag);
    if (body != std::string_view::npos) {
      return raw_block(tag, body);
    }
  }
  position_ = tag + 2 + (sign_at(tag + 2) != '\0' ? 1 : 0);
  state_ = kind == '{' ? State::kOutput : State::kBlock;
  return token(kind == '{' ? TokenKind::kOutputBegin : TokenKind::kBlockBegin, tag, position_);
}

Status Lexer::skip_comment(size_t tag) {
  const size_t body = tag + 2 + (sign_at(tag + 2) != '\0' ? 1 : 0);
  const size_t end = source_.find("#}", body);
  if (end == std::string_view::npos) {
    return fail(tag, "this comment never ends; expected #}");
  }
  const char sign = end > body ? sign_at(end - 1) : '\0';
  position_ = end + 2;
  if (sign == '-') {
    position_ = skip_spaces(position_);
  } else if (sign == '\0' && byte_at(position_) == '\n') {
    ++position_;
  }
  return Status();
}

size_t Lexer::raw_body(size_t tag) const {
  size_t at = skip_spaces(tag + 2 + (sign_at(tag + 2) != '\0' ? 1 : 0));
  if (source_.substr(at, 3) != "raw") {
    return std::string_view::npos;
  }
  at = skip_spaces(at + 3);
  if (source_.substr(at, 3) == "-%}") {
    return skip_spaces(at + 3);
  }
  return source_.substr(at, 2) == "%}" ? at + 2 : std::string_view::npos;
}

Result<Token> Lexer::raw_block(size_t tag, size_t body) {
  for (size_t end = source_.find("{%", body); end != std::string_view::npos;
       end = source_.find("{%", end + 1)) {
    const char sign = sign_at(end + 2);
    size_t at = skip_spaces(end + 2 + (sign != '\0' ? 1 : 0));
    if (source_.substr(at, 6) != "endraw") {
      continue;
    }
    if (!skip_block_end(skip_spaces(at + 6))) {
      continue;
    }
    Token text = token(TokenKind::kText, body, end);
    text.value = trimmed_before(body, end, sign, false);
    return text;
  }
  return fail(tag, "this raw block never ends; expected {% endraw %}");
}

bool Lexer::skip_block_end(size_t at) {
  const char sign = sign_at(at);
  const size_t end = at + (sign != '\0' ? 1 : 0);
  if (source_.substr(end, 2) != "%}") {
    return false;
  }
  position_ = end + 2;
  if (sign == '-') {
    position_ = skip_spaces(position_);
  } else if (sign == '\0' && byte_at(position_) == '\n') {
    ++position_;
  }
  return true;
}

bool Lexer::skip_output_end(size_t at) {
  if (source_.substr(at, 2) == "}}") {
    position_ = at + 2;
    return true;
  }
  if (source_.substr(at, 3) == "-}}") {
    position_ = skip_spaces(at + 3);
    return true;
  }
  return false;
}

}  // namespace rotor::jinja
