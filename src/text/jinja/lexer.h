// SPDX-License-Identifier: Apache-2.0
// Splits a template into text and tokens by the rules of Jinja2 with trim_blocks and lstrip_blocks
// set: the newline after a block tag and the blanks before one are dropped, "-" strips more and
// "+" keeps. Comments and raw blocks are resolved here. Linear in the source; reads no further than
// asked.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace rotor::jinja {

enum class TokenKind : uint8_t {
  kText,         // value: template text between tags, whitespace control applied
  kOutputBegin,  // {{
  kOutputEnd,    // }}
  kBlockBegin,   // {%
  kBlockEnd,     // %}
  kName,         // spelling
  kString,       // value: unescaped
  kInteger,      // integer
  kReal,         // real
  kOperator,     // spelling
  kEnd,          // of the source
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  size_t offset = 0;          // of its first byte in the source
  std::string_view spelling;  // a view of the source
  std::string value;
  int64_t integer = 0;
  double real = 0;
};

// \r\n and \r become \n, and one newline at the very end is dropped, as Jinja2 does.
std::string normalize_newlines(std::string_view source);

// "line 3, column 7": both from 1, the column in characters.
std::string describe_position(std::string_view source, size_t offset);

class Lexer {
 public:
  // REQUIRES: `source` is valid UTF-8, normalised, and outlives the lexer and its tokens.
  explicit Lexer(std::string_view source) : source_(source) {}

  // The next token; kEnd again and again at the end.
  Result<Token> next();

 private:
  enum class State : uint8_t { kText, kOutput, kBlock };

  Result<Token> next_text();
  Result<Token> next_in_tag();
  // The first "{{", "{%" or "{#" from `at` on; the end of the source when there is none.
  size_t find_tag(size_t at) const;
  // Moves past the tag's begin, or past the whole raw block.
  Result<Token> enter_tag(size_t tag);
  Status skip_comment(size_t tag);
  Result<Token> raw_block(size_t tag, size_t body);
  // The byte after "{% raw %}" at `tag`, or npos when another tag stands there.
  size_t raw_body(size_t tag) const;

  // Applies the whitespace rules of a tag with this sign ('-', '+' or 0) to the text before it.
  std::string_view trimmed_before(size_t begin, size_t tag, char sign, bool is_output) const;
  char sign_at(size_t at) const;
  // Moves past "%}" and its like, with what whitespace control drops after them.
  bool skip_block_end(size_t at);
  bool skip_output_end(size_t at);
  size_t skip_spaces(size_t at) const;
  char byte_at(size_t at) const { return at < source_.size() ? source_[at] : '\0'; }

  Result<Token> number();
  Result<Token> integer_token(size_t begin, size_t end);
  Result<Token> based_integer(int base);
  Result<Token> string();
  Status unescape(size_t& at, std::string& out) const;
  Result<Token> operator_token();
  Status fail(size_t at, std::string_view message) const;
  Token token(TokenKind kind, size_t begin, size_t end) const;

  std::string_view source_;
  size_t position_ = 0;
  State state_ = State::kText;
  std::string open_brackets_;  // the closing brackets that are due, innermost last
};

}  // namespace rotor::jinja
