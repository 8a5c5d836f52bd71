// SPDX-License-Identifier: Apache-2.0
// Fuzz target: any bytes as a file of saved logits; every row is read and used.
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "engine/kl_divergence.h"

using namespace rotor;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto reader = SavedLogitsReader::parse(
      File::from_memory(std::string(reinterpret_cast<const char*>(data), size), "input"));
  if (!reader.ok()) {
    return 0;
  }
  const size_t vocab = reader->header().vocab;
  const std::vector<float> logits(vocab, 0.0f);
  KlDivergence divergence;
  for (size_t row = 0; row < reader->header().rows(); ++row) {
    const auto saved = reader->next();
    if (!saved.ok()) {
      return 0;
    }
    divergence.add({logits, log_softmax(logits), static_cast<TokenId>(row % vocab)}, **saved);
  }
  if (!std::isfinite(divergence.divergence().value) || reader->next().ok()) {
    __builtin_trap();
  }
  return 0;
}
