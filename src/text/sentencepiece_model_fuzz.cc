// SPDX-License-Identifier: Apache-2.0
// Fuzz target: a SentencePiece model, and text through the tokenizer it makes. The last 64 bytes are
// the text. What is read is written, read again and compared.
#include <cstddef>
#include <cstdint>

#include "text/sentencepiece_model.h"
#include "text/sentencepiece_writer.h"
#include "text/tokenizer_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t text_size = std::min<size_t>(size / 2, 64);
  const std::string_view text = input.substr(size - text_size);
  auto spec = rotor::parse_sentencepiece(input.substr(0, size - text_size), "fuzz");
  if (!spec.ok()) {
    rotor::fuzz::require(!spec.status().message().empty());
    return 0;
  }
  const auto written = rotor::write_sentencepiece(*spec);
  rotor::fuzz::require(written.ok());
  const auto again = rotor::parse_sentencepiece(*written, "again");
  rotor::fuzz::require(again.ok() && again->tokens == spec->tokens && again->kinds == spec->kinds &&
                       again->unk == spec->unk && again->bos == spec->bos);
  rotor::fuzz::use_tokenizer(*std::move(spec), text);
  return 0;
}
