// SPDX-License-Identifier: Apache-2.0
// Standard output: what a command was asked for. A failed write is reported once, when the program
// ends (finish_output); commands that work for long look earlier and stop.
#pragma once

#include <boost/json/value.hpp>
#include <string_view>

namespace rotor::cli {

// Makes sure that 0, 1 and 2 are open, so that no file a command opens takes their place. Writing
// to one that was closed stays an error. Call first.
void reserve_standard_streams();

// Writes bytes as they are. False when standard output failed, now or before.
bool write_output(std::string_view bytes);

// write_output(), and hands the bytes to the system at once.
bool stream_output(std::string_view bytes);

// Writes a value as one line of valid JSON: bytes in its strings that are not UTF-8 become U+FFFD.
bool write_json(const boost::json::value& value);

// Ends the output and returns the program's exit code: `exit_code`, or kExitRunTime, with a
// message, when not all of the output could be written.
int finish_output(int exit_code);

}  // namespace rotor::cli
