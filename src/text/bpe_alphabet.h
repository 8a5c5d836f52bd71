// SPDX-License-Identifier: Apache-2.0
// The byte alphabet of GPT-2 (encoder.py, bytes_to_unicode): vocabularies in JSON and GGUF files
// write each byte as one printable character. Printable Latin-1 bytes stand for themselves, the
// other 68, in order, are U+0100 .. U+0143. Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rotor {

// The bytes that `text`, UTF-8 in the byte alphabet, stands for; nullopt when it has any other
// character.
std::optional<std::string> bytes_from_alphabet(std::string_view text);

// The reverse; total.
std::string alphabet_from_bytes(std::string_view bytes);

}  // namespace rotor
