// SPDX-License-Identifier: Apache-2.0
// Template source to syntax tree, by recursive descent over the grammar of Jinja2 3.1. Nesting is
// limited by kMaxTreeDepth and size by kMaxNodes, so neither parsing nor walking the tree can
// exhaust the stack. Errors say line, column, expected and got.
#pragma once

#include <rotor/status.h>

#include <cstdint>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"

namespace rotor::jinja {

// An operator as it is written.
struct Spelling {
  std::string_view text;
  Operator meaning;
};

class Parser {
 public:
  // kFormatError for templates that are none, kUnsupported for tags Rotor does not have.
  static Result<Program> parse(std::string_view source);

 private:
  explicit Parser(std::string_view source) : lexer_(source), source_(source) {}
  Status parse_program(Program& program);

  // Tokens. current_ is the next one to consume, following_ the one after it.
  Status advance();
  bool at_operator(std::string_view spelling) const;
  bool at_name(std::string_view name) const;
  Result<bool> skip_operator(std::string_view spelling);
  Result<bool> skip_name(std::string_view name);
  Status expect(TokenKind kind, std::string_view what);
  Status expect_operator(std::string_view spelling);
  Result<std::string> expect_name(std::string_view what);
  Status fail(size_t offset, std::string message) const;
  Status unexpected(std::string_view expected) const;

  // Statements (statement_parser.cc).
  Result<Block> parse_block(std::initializer_list<std::string_view> ends);
  Result<StmtPtr> parse_output();
  Result<StmtPtr> parse_statement();
  Status parse_set(Stmt& stmt);
  Status parse_for(Stmt& stmt);
  Status parse_if(Stmt& stmt);
  Status parse_macro(Stmt& stmt);
  Status parse_call_block(Stmt& stmt);
  Status parse_filter_block(Stmt& stmt);
  Status parse_with(Stmt& stmt);
  Status parse_parameters(Stmt& stmt);
  Status parse_captured_body(Stmt& stmt, std::string_view end);
  Status parse_callable_body(Stmt& stmt, std::string_view end);
  Result<Block> parse_body(std::initializer_list<std::string_view> ends);

  // Expressions, loosest binding first.
  using Rule = Result<ExprPtr> (Parser::*)();
  Result<ExprPtr> parse_joined(ExprKind kind, std::string_view joint, Rule next);
  Result<ExprPtr> parse_arithmetic(std::span<const Spelling> spellings, Rule next);
  Result<ExprPtr> parse_tuple(bool with_conditional, bool in_parentheses);
  Result<ExprPtr> parse_expression();
  Result<ExprPtr> parse_conditional();
  Result<ExprPtr> parse_or();
  Result<ExprPtr> parse_and();
  Result<ExprPtr> parse_not();
  Result<ExprPtr> parse_compare();
  Result<ExprPtr> parse_sum();
  Result<ExprPtr> parse_concat();
  Result<ExprPtr> parse_product();
  Result<ExprPtr> parse_power();
  Result<ExprPtr> parse_unary();
  Result<ExprPtr> parse_signed();
  Result<ExprPtr> parse_primary();
  Result<ExprPtr> parse_postfix(ExprPtr expr);
  Result<ExprPtr> parse_filters_and_tests(ExprPtr expr);
  Result<ExprPtr> parse_subscript(ExprPtr object);
  Result<ExprPtr> parse_call(ExprPtr callee);
  Result<ExprPtr> parse_filter(ExprPtr operand);        // from its | on
  Result<ExprPtr> parse_named_filter(ExprPtr operand);  // from its name on
  Result<ExprPtr> parse_test(ExprPtr operand);
  Result<ExprPtr> parse_list();
  Result<ExprPtr> parse_dict();
  Result<ExprPtr> parse_string();
  Status parse_arguments(std::vector<Argument>& arguments);
  Result<Argument> parse_argument(Argument::Form previous);
  Result<ExprPtr> parse_target(bool with_attribute);
  Result<ExprPtr> parse_one_target(bool with_attribute);
  bool at_tuple_end() const;

  // Nodes. node() counts them; finish() computes the depth and enforces the limit.
  Result<ExprPtr> node(ExprKind kind, size_t offset);
  Result<ExprPtr> wrap(ExprKind kind, size_t offset, ExprPtr operand);
  Result<ExprPtr> finish(ExprPtr expr);
  Result<ExprPtr> name_node(const std::string& name, size_t offset);
  uint32_t intern(const std::string& name);

  // Counts the depth of the recursion for as long as it lives.
  class Nesting;
  Status enter(const Nesting& nesting) const;

  Lexer lexer_;
  std::string_view source_;
  Token current_;
  Token following_;
  uint32_t nesting_ = 0;
  uint32_t loops_ = 0;  // for statements around this point, for break and continue
  size_t nodes_ = 0;
  std::map<std::string, uint32_t> name_ids_;
  std::vector<std::string> names_;
  // Which special names the innermost macro mentions, by SpecialName.
  bool mentions_[4] = {};
};

class Parser::Nesting {
 public:
  explicit Nesting(Parser& parser) : parser_(parser) { ++parser_.nesting_; }
  ~Nesting() { --parser_.nesting_; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

 private:
  Parser& parser_;
};

}  // namespace rotor::jinja
