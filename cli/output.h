// SPDX-License-Identifier: Apache-2.0
// Standard output: what a command was asked for.
#pragma once

#include <boost/json/value.hpp>
#include <string_view>

namespace rotor::cli {

// Writes bytes as they are. False when standard output failed, now or before.
bool write_output(std::string_view bytes);

// Writes a value as one line of valid JSON: bytes in its strings that are not UTF-8 become U+FFFD.
bool write_json(const boost::json::value& value);

}  // namespace rotor::cli
