// SPDX-License-Identifier: Apache-2.0
// Hostile templates: what would loop, recurse, grow or reach outside ends in an error or in text,
// soon, on a small stack, and never in anything else.
#include <gtest/gtest.h>
#include <pthread.h>

#include <ctime>
#include <functional>
#include <string>

#include "base/json.h"
#include "base/test_instrumented.h"
#include "text/chat_template.h"

namespace rotor {
namespace {

constexpr std::string_view kContext =
    R"({"messages":[{"role":"user","content":"hi"}],"x":"abc","list":[1,2,3],"map":{"a":1}})";

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Runs `work` on a stack of 1 MiB (more where a sanitizer widens the frames).
void on_small_stack(const std::function<void()>& work) {
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  const size_t stack = (size_t{1} << 20) * (test::kIsInstrumented ? 16 : 1);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, stack), 0);
  pthread_t thread{};
  const auto start = [](void* argument) -> void* {
    (*static_cast<const std::function<void()>*>(argument))();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, start, const_cast<std::function<void()>*>(&work)),
            0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

struct Outcome {
  Status status;
  std::string text;
  double seconds = 0;
};

Outcome render(const std::string& source) {
  Outcome outcome;
  const Result<JsonDocument> context = JsonDocument::parse(kContext, "context");
  EXPECT_TRUE(context.ok());
  on_small_stack([&] {
    const double begin = thread_seconds();
    const Result<ChatTemplate> parsed = ChatTemplate::parse(source);
    outcome.status = parsed.status();
    if (parsed.ok()) {
      Result<RenderedText> rendered = parsed->render(context->root());
      outcome.status = rendered.status();
      outcome.text = rendered.ok() ? rendered->text : "";
    }
    outcome.seconds = thread_seconds() - begin;
  });
  return outcome;
}

std::string repeat(std::string_view text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) {
    out += text;
  }
  return out;
}

constexpr double kMaxSeconds = 0.1;  // of processor time

// The template ends in an error that contains `words`, and within kMaxSeconds: once out of three
// times, because a busy neighbour slows even a thread's own clock.
void expect_refused(const std::string& source, std::string_view words) {
  Outcome outcome = render(source);
  for (int again = 0; again < 2 && outcome.seconds >= kMaxSeconds; ++again) {
    outcome = render(source);
  }
  const std::string shown = source.substr(0, 120);
  EXPECT_FALSE(outcome.status.ok()) << shown;
  EXPECT_NE(outcome.status.message().find(words), std::string::npos) << shown << "\n"
                                                                     << outcome.status.message();
  if (!test::kIsInstrumented) {
    EXPECT_LT(outcome.seconds, kMaxSeconds) << shown;
  }
}

TEST(ChatTemplateLimits, EndlessWorkRunsOutOfSteps) {
  expect_refused("{% for a in range(60000) %}{% for b in range(60000) %}{% endfor %}{% endfor %}",
                 "steps");
  expect_refused(
      "{% for a in range(9999) %}{% for b in range(9999) %}{% set c = a + b * 2 %}"
      "{% endfor %}{% endfor %}",
      "steps");
  expect_refused("{% for a in range(60000) %}{{ (list * 10000)|length }}{% endfor %}", "");
  expect_refused("{% for a in range(60000) %}{% set s = ('a' * 100000)|upper %}{% endfor %}", "");
  expect_refused("{% for a in range(60000) %}{% set s = ('a' * 100000).split('a') %}{% endfor %}",
                 "");
  expect_refused(
      "{% set s = 'a' * 100000 %}{% for a in range(60000) %}{% if 'b' in s %}{% endif %}"
      "{% endfor %}",
      "steps");
  expect_refused(
      "{% set s = 'a' * 1000000 %}{% set t = 'a' * 500000 + 'b' %}"
      "{% for a in range(60000) %}{{ s.count(t) }}{{ s.rfind(t) }}{% endfor %}",
      "");
  expect_refused(
      "{% set s = range(60000)|list %}{% for a in s %}{% if -1 in s %}{% endif %}"
      "{% endfor %}",
      "steps");
  expect_refused("{% set s = range(60000)|list %}{% for a in s %}{% set t = s|sort %}{% endfor %}",
                 "");
  expect_refused(
      "{% set s = 'a' * 1000000 %}{% for a in range(60000) %}{{ s[5] }}{{ s[-5] }}"
      "{% endfor %}",
      "steps");
  expect_refused("{% for a in range(60000) %}{% for c in x * 30000 %}{% endfor %}{% endfor %}", "");
  expect_refused("{% set s = ('a' * 100000)|list %}{% for a in s %}{{ s|join|length }}{% endfor %}",
                 "");
  expect_refused(
      "{% set s = 'aB' * 100000 %}{% for a in range(60000) %}{% set t = s|tojson %}"
      "{% endfor %}",
      "");
  expect_refused(
      "{% set s = 'aB' * 100000 %}{% for a in range(60000) %}{% set t = s|replace('a', "
      "'bb') %}{% endfor %}",
      "");
  expect_refused(
      "{% set s = ' ' * 1000000 %}{% for a in range(60000) %}{% set t = s|trim %}"
      "{% endfor %}",
      "steps");
}

TEST(ChatTemplateLimits, ManyVariablesAreNotSearchedForFree) {
  std::string source;
  for (int i = 0; i < 20000; ++i) {
    source += "{%set v" + std::to_string(i) + "=1%}";
  }
  expect_refused(source + "{% for i in range(60000) %}{{ v0 }}{{ v19999 }}{% endfor %}", "steps");
}

TEST(ChatTemplateLimits, RangesAreBounded) {
  expect_refused("{{ range(10**9)|length }}", "65536");
  expect_refused("{{ range(65537) }}", "65536");
  expect_refused("{{ range(-9223372036854775807, 9223372036854775807) }}", "65536");
  EXPECT_EQ(render("{{ range(65536)|length }}").text, "65536");
}

TEST(ChatTemplateLimits, MemoryIsBounded) {
  expect_refused("{{ 'a' * 10**9 }}", "bytes");
  expect_refused("{{ 'a' * 9223372036854775807 }}", "bytes");
  expect_refused("{{ ('a' * 1000000) * 1000000 }}", "bytes");
  expect_refused("{{ [1] * 10**12 }}", "bytes");
  expect_refused("{{ [[]] * 4611686018427387904 }}", "bytes");
  expect_refused("{{ 'a'.ljust(10**12) }}", "");
  expect_refused("{{ 'a'|center(10**15) }}", "");
  expect_refused("{{ 'a'|indent(10**15) }}", "");
  expect_refused("{{ '%1000000000d' % 1 }}", "width");
  expect_refused("{{ '{:1000000000}'.format(1) }}", "width");
  expect_refused("{{ [1]|tojson(indent=10**12) }}", "");
  expect_refused("{{ [1]|batch(10**12, 0)|list }}", "");
  expect_refused(
      "{% set ns = namespace(s='a') %}{% for i in range(100) %}"
      "{% set ns.s = ns.s + ns.s %}{% endfor %}",
      "bytes");
  expect_refused(
      "{% set ns = namespace(s=[1]) %}{% for i in range(100) %}"
      "{% set ns.s = ns.s + ns.s %}{% endfor %}",
      "");
  expect_refused("{{ '%f' % 1e308 * 10000000 }}", "bytes");
}

TEST(ChatTemplateLimits, OutputIsBounded) {
  expect_refused("{% for i in range(60000) %}" + std::string(1000, 'x') + "{% endfor %}",
                 "bytes of output");
  expect_refused("{% set s = 'a' * 1000000 %}{% for i in range(60) %}{{ s }}{% endfor %}",
                 "bytes of output");
  const Outcome outcome = render(
      "{% set s = 'a' * 1048576 %}{% for i in range(16) %}{{ s }}"
      "{% endfor %}");
  EXPECT_TRUE(outcome.status.ok()) << outcome.status.message();
  EXPECT_EQ(outcome.text.size(), size_t{16} << 20);
}

TEST(ChatTemplateLimits, RecursionIsBounded) {
  expect_refused("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "64");
  expect_refused("{% macro f(x) %}{{ f(f(x)) }}{% endmacro %}{{ f(1) }}", "64");
  expect_refused("{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}", "64");
  expect_refused("{% macro f() %}{% call f() %}{{ caller() }}{% endcall %}{% endmacro %}{{ f() }}",
                 "");
  expect_refused("{% macro f(x=f()) %}{% endmacro %}{{ f() }}", "64");
  expect_refused(
      "{% set ns = namespace() %}{% macro f() %}{{ ns.g() }}{% endmacro %}"
      "{% set ns.g = f %}{{ f() }}",
      "64");
  expect_refused("{% macro f(n) %}" + repeat("{% if n %}", 40) + "{{ f(" + repeat("(", 40) + "n" +
                     repeat(")", 40) + ") }}" + repeat("{% endif %}", 40) +
                     "{% endmacro %}{{ f(1) }}",
                 "deep");
  expect_refused("{{ ['a']|map(" + repeat("'map',", 5000) + "'string')|list|string }}", "deep");
}

TEST(ChatTemplateLimits, NestingIsBoundedBeforeItIsWalked) {
  const size_t many = 100000;
  for (const auto& [open, close] : {std::pair{"(", ")"},
                                    {"[", "]"},
                                    {"{1:", "}"},
                                    {"-", ""},
                                    {"not ", ""},
                                    {"x[", "]"},
                                    {"x(", ")"},
                                    {"1 if 1 else ", ""},
                                    {"x|f(", ")"},
                                    {"+-", ""},
                                    {"(x,", ")"}}) {
    expect_refused("{{ " + repeat(open, many) + "1" + repeat(close, many) + " }}", "");
  }
  for (const auto& [open, close] : {std::pair{"{%if 1%}", "{%endif%}"},
                                    {"{%for i in x%}", "{%endfor%}"},
                                    {"{%set a%}", "{%endset%}"},
                                    {"{%macro f()%}", "{%endmacro%}"},
                                    {"{%call x()%}", "{%endcall%}"},
                                    {"{%filter trim%}", "{%endfilter%}"},
                                    {"{%with%}", "{%endwith%}"},
                                    {"{%generation%}", "{%endgeneration%}"}}) {
    expect_refused(repeat(open, 30000) + repeat(close, 30000), "nesting of at most 100");
  }
  expect_refused("{{ x" + repeat(".a", many) + " }}", "levels");
  expect_refused("{{ x" + repeat("[0]", many) + " }}", "levels");
  expect_refused("{{ x" + repeat("()", many) + " }}", "levels");
  expect_refused("{{ x" + repeat("|trim", many) + " }}", "levels");
  expect_refused("{{ x" + repeat(" if x", many) + " }}", "levels");
  expect_refused("{% for " + repeat("(", many) + "a" + repeat(")", many) + " in x %}{% endfor %}",
                 "nesting");
}

TEST(ChatTemplateLimits, LongChainsAreNoNesting) {
  EXPECT_EQ(render("{{ 0" + repeat(" + 1", 5000) + " }}").text, "5000");
  EXPECT_EQ(render("{{ 'a'" + repeat(" ~ 'b'", 5000) + " }}").text.size(), 5001);
  EXPECT_EQ(render("{{ 1" + repeat(" and 1", 5000) + " }}").text, "1");
  EXPECT_EQ(render("{{ 1" + repeat(" < 2 > 1", 5000) + " }}").text, "True");
  EXPECT_EQ(render("{% if 0 %}" + repeat("{% elif 0 %}", 5000) + "{% else %}x{% endif %}").text,
            "x");
  EXPECT_EQ(render(repeat("{##}", 100000) + "x").text, "x");
  EXPECT_EQ(render(repeat("{{ x }}", 20000)).text.size(), 60000);
}

TEST(ChatTemplateLimits, ValuesCannotBeNestedWithoutEnd) {
  expect_refused(
      "{% set ns = namespace(x=[]) %}{% for i in range(60000) %}"
      "{% set ns.x = [ns.x] %}{% endfor %}",
      "nested");
  expect_refused(
      "{% set ns = namespace(x={}) %}{% for i in range(60000) %}"
      "{% set ns.x = {1: ns.x} %}{% endfor %}",
      "nested");
  expect_refused(
      "{% set ns = namespace(x=[]) %}{% for i in range(60000) %}"
      "{% set ns.x = [ns.x.count] %}{% endfor %}",
      "nested");
  // Shared elements: small to hold, exponential to walk.
  const std::string doubled =
      "{% set ns = namespace(x=['a']) %}{% for i in range(90) %}{% set ns.x = [ns.x, ns.x] %}"
      "{% endfor %}";
  expect_refused(doubled + "{{ ns.x }}", "steps");
  expect_refused(doubled + "{{ ns.x|tojson }}", "steps");
  expect_refused(doubled +
                     "{% set y = ns.x %}{% set ns.x = ['a'] %}{% for i in range(90) %}"
                     "{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x == y }}",
                 "steps");
  expect_refused(
      "{% set ns = namespace(x=(1,)) %}{% for i in range(90) %}"
      "{% set ns.x = (ns.x, ns.x) %}{% endfor %}{{ {ns.x: 1} }}",
      "");
  expect_refused("{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}", "nested");
  EXPECT_EQ(render("{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns.x[0].x|length }}").text,
            "1");
  EXPECT_EQ(render("{% for i in list %}{{ loop.changed(loop) }}{% endfor %}").text,
            "TrueFalseFalse");
}

TEST(ChatTemplateLimits, ObjectsOutliveTheScopesTheyCameFrom) {
  EXPECT_EQ(render("{% set ns = namespace() %}{% for i in list %}{% set t = i * 10 %}"
                   "{% macro f() %}{{ i }}:{{ t }}{% endmacro %}{% set ns.f = f %}"
                   "{% set ns.l = loop %}{% endfor %}{{ ns.f() }} {{ ns.l.index }}")
                .text,
            "3:30 3");
  EXPECT_EQ(render("{% set ns = namespace(f=none) %}{% macro g() %}{% macro h() %}{{ caller }}x"
                   "{% endmacro %}{% set ns.f = h %}{% endmacro %}{{ g() }}{{ ns.f() }}")
                .text,
            "x");
  EXPECT_EQ(render("{% set ns = namespace() %}{% set ns.m = (x ~ 'd').upper %}{{ ns.m() }}").text,
            "ABCD");
}

TEST(ChatTemplateLimits, SourceIsBounded) {
  expect_refused(std::string((size_t{1} << 20) + 1, 'x'), "1048576 bytes");
  EXPECT_EQ(render(std::string(size_t{1} << 20, 'x')).text.size(), size_t{1} << 20);
  expect_refused(repeat("{{1}}", 120000), "syntax nodes");
  expect_refused("a\xFF", "UTF-8");
  expect_refused("{# never closed " + std::string(100000, '#'), "never ends");
  expect_refused("{% raw %}" + repeat("{% endra", 50000), "never ends");
  expect_refused(repeat("{% raw %}{% endraw %}", 10000) + "{{", "end of the template");
  expect_refused("{{ '" + std::string(1000000, '\\'), "never ends");
}

TEST(ChatTemplateLimits, IntegersDoNotWrap) {
  expect_refused("{{ 9223372036854775807 + 1 }}", "64 bits");
  expect_refused("{{ -9223372036854775807 - 2 }}", "64 bits");
  expect_refused("{{ 9223372036854775807 * 2 }}", "64 bits");
  expect_refused("{{ 10 ** 100 }}", "64 bits");
  expect_refused("{{ (-9223372036854775807 - 1) // -1 }}", "64 bits");
  expect_refused("{{ -(-9223372036854775807 - 1) }}", "64 bits");
  expect_refused("{{ (-9223372036854775807 - 1)|abs }}", "64 bits");
  expect_refused("{{ 9223372036854775808 }}", "64 bits");
  EXPECT_EQ(render("{{ (-9223372036854775807 - 1) % -1 }}").text, "0");
  EXPECT_EQ(render("{{ x[9223372036854775807:] }}{{ x[-9223372036854775807:2] }}"
                   "{{ x[::9223372036854775807] }}{{ x[::-9223372036854775807] }}"
                   "{{ list[9223372036854775807] }}")
                .text,
            "abac");
}

}  // namespace
}  // namespace rotor
