// SPDX-License-Identifier: Apache-2.0
// String work shared by filters and methods. Every function copies ranges of its operands, so each
// byte keeps its origin; the ones that read or write many bytes pay the budget themselves.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace rotor::jinja {

enum class Case : uint8_t { kUpper, kLower, kCapitalize, kTitle, kSwap };

// str.upper() and its kind.
Result<Text> change_case(const Text& text, Case to, Budget& budget);

enum class Side : uint8_t { kBoth, kLeft, kRight };

// str.strip(): without the characters of `characters` at the ends, white space when it is null.
Result<Text> strip(const Text& text, const Text* characters, Side side, Budget& budget);

// str.replace(): at most `limit` times, all when it is negative.
Result<Text> replace(const Text& text, const Text& from, const Text& to, int64_t limit,
                     Budget& budget);

// str.split() and str.rsplit(): at white space when `separator` is null; `limit` < 0 is none.
Result<std::vector<Text>> split(const Text& text, const Text* separator, int64_t limit, Side from,
                                Budget& budget);
Result<std::vector<Text>> split_lines(const Text& text, bool keep_ends, Budget& budget);

// Pads to `width` characters with `fill`; kBoth centres.
Result<Text> justify(const Text& text, int64_t width, const Text& fill, Side side, Budget& budget);

// str(value), HTML-escaped unless it is markup already.
Status append_escaped(const Value& value, Runtime& runtime, Text& out);

// A list of texts as a value.
Result<Value> make_text_list(std::vector<Text> texts, Runtime& runtime);

}  // namespace rotor::jinja
