// SPDX-License-Identifier: Apache-2.0
// PCRE2 behind SplitRegex.
#include "text/pretokenize_regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <algorithm>
#include <array>

#include "text/pretokenize_oniguruma.h"
#include "text/unicode.h"

namespace rotor {
namespace {

constexpr size_t kJitStackStart = 32 * 1024;  // bytes
constexpr size_t kJitStackLimit = 1024 * 1024;

template <auto free_function>
struct Freer {
  template <typename T>
  void operator()(T* pointer) const {
    free_function(pointer);
  }
};
using CompileContext = std::unique_ptr<pcre2_compile_context, Freer<pcre2_compile_context_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Freer<pcre2_match_context_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Freer<pcre2_match_data_free>>;
using JitStack = std::unique_ptr<pcre2_jit_stack, Freer<pcre2_jit_stack_free>>;

std::string error_text(int error) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(error, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

// What one split() needs: limits, and a place for the match. Compiled code runs on 32 KiB of the
// thread's stack; only where that is too little does it get a larger one.
struct Matcher {
  MatchContext context;
  MatchData data;
  JitStack stack;

  explicit Matcher(const pcre2_code* code)
      : context(pcre2_match_context_create(nullptr)),
        data(pcre2_match_data_create_from_pattern(code, nullptr)) {
    if (context != nullptr) {
      pcre2_set_match_limit(context.get(), kRegexMatchLimit);
      pcre2_set_depth_limit(context.get(), kRegexMatchLimit);
      pcre2_set_heap_limit(context.get(), kRegexHeapLimit);
    }
  }

  bool complete() const { return context != nullptr && data != nullptr; }

  // The result of pcre2_match on valid UTF-8 from byte `at`.
  int match(const pcre2_code* code, std::string_view text, size_t at) {
    const auto run = [&] {
      return pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at,
                         PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, data.get(), context.get());
    };
    const int result = run();
    if (result != PCRE2_ERROR_JIT_STACKLIMIT || stack != nullptr) {
      return result;
    }
    stack.reset(pcre2_jit_stack_create(kJitStackStart, kJitStackLimit, nullptr));
    pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
    return run();
  }
};

std::string limit_text(int error) {
  switch (error) {
    case PCRE2_ERROR_MATCHLIMIT:
      return fmt::format("the match limit of {} steps", kRegexMatchLimit);
    case PCRE2_ERROR_DEPTHLIMIT:
      return fmt::format("the depth limit of {} steps", kRegexMatchLimit);
    case PCRE2_ERROR_HEAPLIMIT:
      return fmt::format("the heap limit of {} KiB", kRegexHeapLimit);
    case PCRE2_ERROR_JIT_STACKLIMIT:
      return fmt::format("the stack limit of {} KiB", kJitStackLimit / 1024);
    default:
      return "a PCRE2 error (" + error_text(error) + ")";
  }
}

}  // namespace

struct SplitRegex::Code {
  pcre2_code* code = nullptr;
  ~Code() { pcre2_code_free(code); }
};

Result<SplitRegex> SplitRegex::compile(const std::string& pattern, const std::string& source) {
  const std::string where = fmt::format("{}: split pattern {}", source, printable(pattern, 200));
  if (pattern.size() > kRegexMaxPattern) {
    return unsupported(
        fmt::format("{}: {} bytes; expected at most {}", where, pattern.size(), kRegexMaxPattern));
  }
  Result<std::string> translated = pcre2_from_oniguruma(pattern);
  if (!translated.ok()) {
    return Status(translated.status()).with_context(where);
  }
  const CompileContext context(pcre2_compile_context_create(nullptr));
  if (context == nullptr) {
    return out_of_memory(where + ": no memory to compile it");
  }
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  size_t error_at = 0;
  auto code = std::make_shared<Code>();
  // In Oniguruma's default syntax ^ and $ match at every line.
  code->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated->data()), translated->size(),
                             PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                             &error, &error_at, context.get());
  if (code->code == nullptr) {
    return unsupported(
        fmt::format("{}: PCRE2 refuses it: {}", where, error_text(error)));
  }
  // Without JIT (a hardened kernel, another CPU) the interpreter gives the same matches, slower.
  pcre2_jit_compile(code->code, PCRE2_JIT_COMPLETE);
  SplitRegex regex;
  regex.code_ = std::move(code);
  regex.pattern_ = pattern;
  regex.source_ = source;
  return regex;
}

Status SplitRegex::split(std::string_view text, size_t offset, std::vector<size_t>& ends) const {
  Matcher matcher(code_->code);
  if (!matcher.complete()) {
    return out_of_memory(source_ + ": no memory to match the split pattern");
  }
  const auto add_end = [&](size_t end) {
    if (ends.empty() || ends.back() != end) {
      ends.push_back(end);
    }
  };
  size_t begin = 0;  // of the stretch of valid UTF-8
  while (begin < text.size()) {
    const std::string_view valid = text.substr(begin, valid_utf8_prefix(text.substr(begin)));
    size_t at = 0;
    while (at < valid.size()) {
      const int result = matcher.match(code_->code, valid, at);
      if (result == PCRE2_ERROR_NOMATCH) {
        break;
      }
      if (result < 0) {
        return unsupported(fmt::format("{}: split pattern {}: hit {} at byte {} of the text",
                                       source_, printable(pattern_, 200), limit_text(result),
                                       offset + begin + at));
      }
      const size_t* match = pcre2_get_ovector_pointer(matcher.data.get());
      if (match[0] > at) {
        add_end(offset + begin + match[0]);
      }
      // \K can make a match that ends where it started; pieces still have to move forward.
      at = match[1] > at ? match[1] : at + decode_utf8(valid, at).length;
      add_end(offset + begin + at);
    }
    begin += valid.size();
    if (!valid.empty()) {
      add_end(offset + begin);
    }
    const size_t broken = begin;
    while (begin < text.size() && !decode_utf8(text, begin).valid) {
      begin += decode_utf8(text, begin).length;
    }
    if (begin > broken) {
      add_end(offset + begin);
    }
  }
  return Status::ok_status();
}

}  // namespace rotor
