// SPDX-License-Identifier: Apache-2.0
// Unicode Normalization Form C (UAX #15) in linear time. Bytes that are not UTF-8 are kept.
#pragma once

#include <string>
#include <string_view>

namespace rotor {

// Thread-safe. Memory: about 8 bytes per character of `text`.
std::string normalize_nfc(std::string_view text);

}  // namespace rotor
