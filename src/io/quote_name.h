// SPDX-License-Identifier: Apache-2.0
// Names out of untrusted files as they appear in messages: quoted, printable, and not endless.
#pragma once

#include <string>
#include <string_view>

namespace rotor {

// `name` in double quotes. Bytes outside printable ASCII, quotes and backslashes become \xNN; more
// than 100 bytes are cut, with the full length named.
std::string quote_name(std::string_view name);

}  // namespace rotor
