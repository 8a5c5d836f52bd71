// SPDX-License-Identifier: Apache-2.0
// Fuzz target: a tiktoken file of ranks, and text through the tokenizer it makes. The text is what
// follows the first NUL byte, which no line of base64 has.
#include <cstddef>
#include <cstdint>

#include "text/tiktoken.h"
#include "text/tokenizer_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto [file, text] = rotor::fuzz::file_and_text({reinterpret_cast<const char*>(data), size});
  auto spec = rotor::parse_tiktoken(file, "fuzz");
  if (!spec.ok()) {
    rotor::fuzz::require(!spec.status().message().empty());
    return 0;
  }
  rotor::fuzz::use_tokenizer(*std::move(spec), text);
  return 0;
}
