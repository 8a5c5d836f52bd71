// SPDX-License-Identifier: Apache-2.0
// Split patterns in tokenizer files are written for Oniguruma. This spells them for PCRE2, which
// reads some of the same characters differently.
#pragma once

#include <rotor/status.h>

#include <string>
#include <string_view>

namespace rotor {

// The pattern for PCRE2 with UTF, UCP and MULTILINE. Spelled out: \w \W \b \B (letters, marks,
// numbers and connectors differ), \s \S (U+180E), \p{Script} (PCRE2 adds script extensions).
// kUnsupported, naming what it stopped at: &&, sets within sets, \h, \W in a set, {n,m}+.
// The version of Unicode remains PCRE2's own: newly assigned characters may still be split
// differently.
Result<std::string> pcre2_from_oniguruma(std::string_view pattern);

}  // namespace rotor
