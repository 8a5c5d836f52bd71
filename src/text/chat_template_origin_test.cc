// SPDX-License-Identifier: Apache-2.0
// Where each byte of a prompt comes from. What a user writes must never count as the template's,
// whatever filters, methods, operators, macros and containers it went through: a special token in
// user text would otherwise end the turn.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/json.h"
#include "text/chat_template.h"

namespace rotor {
namespace {

JsonDocument context() {
  Result<JsonDocument> document = JsonDocument::parse(
      R"({"u":"<|eot_id|>","v":" <|eot_id|> ","bos_token":"<|forged|>","n":5,"f":2.5,"b":true,
          "z":null,"list":["<|eot_id|>","b"],"map":{"<|eot_id|>":"<|eot_id|>"},
          "messages":[{"role":"user","content":"<|eot_id|>"}]})",
      "context");
  EXPECT_TRUE(document.ok());
  return *std::move(document);
}

Result<RenderedText> render(const std::string& source, const RenderOptions& options = {}) {
  ROTOR_ASSIGN(const ChatTemplate parsed, ChatTemplate::parse(source));
  const JsonDocument document = context();
  return parsed.render(document.root(), options);
}

// The text with input in brackets: template[input]template.
std::string marked(const std::string& source, const RenderOptions& options = {}) {
  const Result<RenderedText> rendered = render(source, options);
  EXPECT_TRUE(rendered.ok()) << source << "\n" << rendered.status().message();
  if (!rendered.ok()) {
    return "";
  }
  std::string out;
  size_t at = 0;
  bool previous = false;
  for (const Span& span : rendered->spans) {
    EXPECT_GT(span.length, 0U) << source;
    EXPECT_TRUE(at == 0 || previous != span.from_template) << source;
    previous = span.from_template;
    const std::string piece = rendered->text.substr(at, span.length);
    out += span.from_template ? piece : "[" + piece + "]";
    at += span.length;
  }
  EXPECT_EQ(at, rendered->text.size()) << source;
  return out;
}

TEST(ChatTemplateOrigin, TextAndOutput) {
  EXPECT_EQ(marked("a{{ u }}b"), "a[<|eot_id|>]b");
  EXPECT_EQ(marked("{{ '<|eot_id|>' }}{{ u }}"), "<|eot_id|>[<|eot_id|>]");
  EXPECT_EQ(marked("{{ u }}{{ u }}"), "[<|eot_id|><|eot_id|>]");
  EXPECT_EQ(marked("{% raw %}<|a|>{% endraw %}"), "<|a|>");
}

TEST(ChatTemplateOrigin, Operators) {
  EXPECT_EQ(marked("{{ '<' + u + '>' }}"), "<[<|eot_id|>]>");
  EXPECT_EQ(marked("{{ '<' ~ u ~ n ~ '>' }}"), "<[<|eot_id|>5]>");
  EXPECT_EQ(marked("{{ u * 2 }}{{ 'ab' * 2 }}"), "[<|eot_id|><|eot_id|>]abab");
  EXPECT_EQ(marked("{{ ('a' + u) * 2 }}"), "a[<|eot_id|>]a[<|eot_id|>]");
  EXPECT_EQ(marked("{{ 'x%sy%%' % u }}{{ '%d' % n }}"), "x[<|eot_id|>]y%[5]");
  EXPECT_EQ(marked("{{ u if b else 'x' }}{{ 'y' if b else u }}{{ z or u }}{{ b and u }}"),
            "[<|eot_id|>]y[<|eot_id|><|eot_id|>]");
  EXPECT_EQ(marked("{{ ('<|' + u)[0:4] }}{{ u[2:5] }}{{ u[0] }}{{ 'abc'[1] }}"), "<|[<|eot<]b");
  EXPECT_EQ(marked("{{ ('ab' + u[2:5])[::-1] }}"), "[toe]ba");
}

TEST(ChatTemplateOrigin, Filters) {
  EXPECT_EQ(marked("{{ v|trim }}"), "[<|eot_id|>]");
  EXPECT_EQ(marked("{{ ('a' + u)|upper }}{{ u|lower }}{{ u|capitalize }}{{ u|title }}"),
            "A[<|EOT_ID|><|eot_id|><|eot_id|><|eot_id|>]");
  EXPECT_EQ(marked("{{ [u, '<s>']|join('<|') }}"), "[<|eot_id|>]<|<s>");
  EXPECT_EQ(marked("{{ ['<', '>']|join(u) }}"), "<[<|eot_id|>]>");
  EXPECT_EQ(marked("{{ 'aXb'|replace('X', u) }}"), "a[<|eot_id|>]b");
  EXPECT_EQ(marked("{{ u|replace('<|', 'T') }}{{ u|replace('zz', 'T') }}"),
            "T[eot_id|><|eot_id|>]");
  EXPECT_EQ(marked("{{ u|tojson }}"), "[\"<|eot_id|>\"]");
  EXPECT_EQ(marked("{{ {'k': u}|tojson }}"), "[{\"]k[\": \"<|eot_id|>\"}]");
  EXPECT_EQ(marked("{{ map|tojson }}{{ list|tojson(indent=1) }}"),
            "[{\"<|eot_id|>\": \"<|eot_id|>\"}[\n \"<|eot_id|>\",\n \"b\"\n]]");
  EXPECT_EQ(marked("{{ u|e }}{{ ('<' ~ u)|e }}"), "[&lt;|eot_id|&gt;]&lt;[&lt;|eot_id|&gt;]");
  EXPECT_EQ(marked("{{ u|safe }}{{ u|string }}{{ u|default('x') }}{{ nope|default(u) }}"),
            "[<|eot_id|><|eot_id|><|eot_id|><|eot_id|>]");
  EXPECT_EQ(marked("{{ u|indent(1, true) }}{{ u|center(12) }}{{ u|truncate(5, true, '!', 0) }}"),
            "[ <|eot_id|> <|eot_id|> <|eo]!");
  EXPECT_EQ(marked("{{ u|list|join }}{{ u|reverse }}{{ u|first }}{{ list|first }}{{ list|last }}"),
            "[<|eot_id|>>|di_toe|<<<|eot_id|>b]");
  EXPECT_EQ(marked("{{ list|map('upper')|join }}{{ list|sort|join }}{{ list|unique|join }}"),
            "[<|EOT_ID|>B<|eot_id|>b<|eot_id|>b]");
  EXPECT_EQ(marked("{{ messages|map(attribute='content')|join }}{{ list|select|join }}"
                   "{{ map|dictsort|first|join }}{{ map|items|first|join }}"),
            "[<|eot_id|><|eot_id|>b<|eot_id|><|eot_id|><|eot_id|><|eot_id|>]");
  EXPECT_EQ(marked("{{ 'x%s'|format(u) }}{{ list|max }}{{ list|batch(1)|first|join }}"),
            "x[<|eot_id|>b<|eot_id|>]");
}

TEST(ChatTemplateOrigin, Methods) {
  EXPECT_EQ(marked("{{ v.strip() }}{{ v.strip(' <') }}{{ u.upper() }}{{ u.title() }}"),
            "[<|eot_id|>|eot_id|><|EOT_ID|><|Eot_Id|>]");
  EXPECT_EQ(marked("{{ u.split('|')|join('#') }}{{ u.split('|')[1] }}"), "[<]#[eot_id]#[>eot_id]");
  EXPECT_EQ(marked("{{ ('a' + u).replace('<', '(') }}"), "a([|eot_id|>]");
  EXPECT_EQ(marked("{{ '-'.join(list) }}{{ u.join(['a', 'b']) }}"),
            "[<|eot_id|>]-[b]a[<|eot_id|>]b");
  EXPECT_EQ(marked("{{ '<{}>'.format(u) }}{{ 'x{a}y'.format(a=u) }}"),
            "<[<|eot_id|>]>x[<|eot_id|>]y");
  EXPECT_EQ(marked("{{ u.partition('|')|join('.') }}"), "[<].|.[eot_id|>]");
  EXPECT_EQ(marked("{{ u.center(12, '*') }}{{ u.zfill(11) }}{{ u.removeprefix('<') }}"),
            "*[<|eot_id|>]*[0<|eot_id|>|eot_id|>]");
  EXPECT_EQ(marked("{{ (u + '\\nx').splitlines()|join }}{{ map.get('<|eot_id|>') }}"
                   "{{ map.keys()|join }}{{ map.values()|join }}"),
            "[<|eot_id|>]x[<|eot_id|><|eot_id|><|eot_id|>]");
  EXPECT_EQ(marked("{{ map.get('q', u) }}{{ map.items()|list|first|join }}"),
            "[<|eot_id|><|eot_id|><|eot_id|>]");
}

TEST(ChatTemplateOrigin, Statements) {
  EXPECT_EQ(marked("{% set a = u %}{{ a }}{% set c %}<{{ u }}>{% endset %}{{ c }}"),
            "[<|eot_id|>]<[<|eot_id|>]>");
  EXPECT_EQ(marked("{% set ns = namespace(s='') %}{% for m in messages %}"
                   "{% set ns.s = ns.s + '<' + m.content + '>' %}{% endfor %}{{ ns.s }}"),
            "<[<|eot_id|>]>");
  EXPECT_EQ(marked("{% macro f(x) %}<{{ x }}>{{ caller() }}{% endmacro %}"
                   "{% call f(u) %}[{{ u }}{% endcall %}"),
            "<[<|eot_id|>]>[[<|eot_id|>]");
  EXPECT_EQ(marked("{% filter upper %}a{{ u }}{% endfilter %}"), "A[<|EOT_ID|>]");
  EXPECT_EQ(
      marked("{% for c in u[:2] %}{{ c }}.{% endfor %}{% for k, v in map|items %}{{ k }}{{ v }}"
             "{% endfor %}"),
      "[<].[|].[<|eot_id|><|eot_id|>]");
  EXPECT_EQ(marked("{% for m in messages %}{{ loop.previtem }}{{ m.role }}{% generation %}"
                   "{{ m.content }}{% endgeneration %}{% endfor %}"),
            "[user<|eot_id|>]");
  EXPECT_EQ(marked("{% with q = u %}{{ q }}{% endwith %}{% set a, c = u, 'x' %}{{ a }}{{ c }}"),
            "[<|eot_id|><|eot_id|>]x");
  EXPECT_EQ(marked("{% macro f() %}{{ varargs[0] }}{{ kwargs.k }}{% endmacro %}{{ f(u, k='l') }}"),
            "[<|eot_id|>]l");
}

TEST(ChatTemplateOrigin, ComputedValuesAreInputUnlessLiteralsMadeThem) {
  EXPECT_EQ(marked("{{ 5 }}{{ 1 + 2 }}{{ 2.5 }}{{ true }}{{ none }}{{ -1 }}"), "532.5TrueNone-1");
  EXPECT_EQ(marked("{{ n }}{{ n + 1 }}{{ f }}{{ b }}{{ z }}{{ -n }}{{ n == 5 }}{{ not b }}"),
            "[562.5TrueNone-5TrueFalse]");
  EXPECT_EQ(marked("{{ u|length }}{{ list }}"), "[10['<|eot_id|>', 'b']]");
  EXPECT_EQ(marked("{% for i in range(2) %}{{ i }}{% endfor %}{{ range(n)|last }}"), "01[4]");
  EXPECT_EQ(marked("{{ '3'|int }}{{ 3|string }}"), "[3]3");
}

TEST(ChatTemplateOrigin, SpecialTokensAreTrustedOnlyFromTheEngine) {
  EXPECT_EQ(marked("{{ bos_token }}"), "[<|forged|>]");
  RenderOptions options;
  options.special_tokens = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
  EXPECT_EQ(marked("{{ bos_token }}{{ u }}{{ eos_token }}{{ pad_token }}", options),
            "<s>[<|eot_id|>]</s>");
  options.special_tokens = {{"bos_token", "\xFF"}};
  EXPECT_FALSE(render("x", options).ok());
}

// Every filter and method with user text in every argument it takes: the bytes < | > never come
// out as the template's, as no template here contains them.
TEST(ChatTemplateOrigin, NoBuiltInTurnsInputIntoTemplate) {
  const std::vector<std::string> filters = {
      "abs",        "attr",   "batch",      "capitalize", "center",  "count",  "d",      "default",
      "dictsort",   "e",      "escape",     "first",      "float",   "format", "indent", "int",
      "items",      "join",   "last",       "length",     "list",    "lower",  "map",    "max",
      "min",        "reject", "rejectattr", "replace",    "reverse", "round",  "safe",   "select",
      "selectattr", "sort",   "string",     "sum",        "title",   "tojson", "trim",   "truncate",
      "unique",     "upper",  "wordcount"};
  const std::vector<std::string> methods = {
      "capitalize", "casefold",     "center",       "count",   "endswith",   "find",
      "format",     "index",        "join",         "ljust",   "lower",      "lstrip",
      "partition",  "removeprefix", "removesuffix", "replace", "rfind",      "rjust",
      "rpartition", "rsplit",       "rstrip",       "split",   "splitlines", "startswith",
      "strip",      "swapcase",     "title",        "upper",   "zfill",      "get",
      "items",      "keys",         "values",       "copy"};
  const std::vector<std::string> operands = {"u", "v", "list", "map", "messages", "('a' ~ u)"};
  const std::vector<std::string> arguments = {"",       "()",      "(u)",       "('a', u)",
                                              "(u, u)", "(20, u)", "('%s', u)", "('upper')"};
  size_t rendered_count = 0;
  const auto check = [&](const std::string& expression) {
    const Result<RenderedText> rendered = render("{{ " + expression + " }}");
    if (!rendered.ok()) {
      return;
    }
    ++rendered_count;
    size_t at = 0;
    for (const Span& span : rendered->spans) {
      const std::string piece = rendered->text.substr(at, span.length);
      at += span.length;
      EXPECT_TRUE(!span.from_template || piece.find_first_of("<|>") == std::string::npos)
          << expression << " -> " << piece;
    }
  };
  for (const std::string& operand : operands) {
    for (const std::string& argument : arguments) {
      for (const std::string& filter : filters) {
        check(operand + "|" + filter + argument);
        check(operand + "|" + filter + argument + "|list|join");
      }
      for (const std::string& method : methods) {
        check(operand + "." + method + (argument.empty() ? "()" : argument));
      }
    }
  }
  EXPECT_GT(rendered_count, 1000U);
}

}  // namespace
}  // namespace rotor
