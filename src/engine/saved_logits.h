// SPDX-License-Identifier: Apache-2.0
// The file of log-probabilities that llama-perplexity writes (--kl-divergence-base) and reads, so
// that two programs, or two forms of one model, can be compared over a text. docs/formats/
// saved-logits.md has every byte. The tokens scored are those of PerplexityMethod::kSecondHalf.
#pragma once

#include <rotor/status.h>
#include <rotor/token.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "engine/log_softmax.h"

namespace rotor {

// Rows follow in order of the text, context - 1 - context / 2 for each chunk.
struct SavedLogitsHeader {
  size_t context = 0;
  size_t vocab = 0;
  std::vector<TokenId> tokens;  // of all chunks, context for each; below vocab

  size_t chunks() const { return tokens.size() / context; }
  size_t rows() const { return chunks() * (context - 1 - context / 2); }
};

// The log-probabilities of a row: base + scale * code, codes below 2^16. What is less likely than
// e^-16 of the likeliest token is kept as that.
class SavedRow {
 public:
  float operator[](size_t token) const {
    return scale_ * static_cast<float>(codes_[token]) + base_;
  }
  std::span<const uint16_t> codes() const { return codes_; }

 private:
  friend class SavedLogitsReader;
  friend class SavedLogitsWriter;
  float scale_ = 0.0f;
  float base_ = 0.0f;            // of code 0
  std::vector<uint16_t> codes_;  // (vocab)
};

class SavedLogitsWriter {
 public:
  // kInvalidArgument where the format cannot hold the numbers; kIoError.
  static Result<SavedLogitsWriter> create(const std::string& path, const SavedLogitsHeader& header);

  // The next row. REQUIRES: finite logits, (vocab); `log_probability` is theirs.
  Status write(std::span<const float> logits, const LogSoftmax& log_probability);

  // kInternal when rows are missing.
  Status commit();

 private:
  AtomicFile file_;
  SavedRow row_;
  std::vector<std::byte> bytes_;  // of a row
  size_t rows_left_ = 0;
};

class SavedLogitsReader {
 public:
  // kFormatError, with field and offset, when the header contradicts itself or the file's size;
  // nothing is allocated before. kNotFound, kIoError.
  static Result<SavedLogitsReader> open(const std::string& path);
  static Result<SavedLogitsReader> parse(File file);

  const SavedLogitsHeader& header() const { return header_; }

  // The next row, valid until the next call. kFormatError for numbers that are no log-probabilities,
  // and after the last row.
  Result<const SavedRow*> next();

 private:
  Status read_header();

  File file_;
  SavedLogitsHeader header_;
  SavedRow row_;
  std::vector<std::byte> bytes_;
  uint64_t offset_ = 0;  // of the next row
};

}  // namespace rotor
