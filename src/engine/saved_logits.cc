// SPDX-License-Identifier: Apache-2.0
#include "engine/saved_logits.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

#include "io/byte_reader.h"
#include "io/checked.h"

namespace rotor {
namespace {

constexpr std::string_view kMagic = "_logits_";
constexpr uint64_t kHeaderBytes = 8 + 3 * 4;  // magic, then context, vocab and chunks as int32
constexpr float kMaxCode = 65535.0f;
constexpr float kRange = 16.0f;               // nats below the likeliest token that a row tells apart
// Log-probabilities are at most 0; theirs are sums of rounded numbers of this size.
constexpr float kRounding = 0.01f;
constexpr size_t kMaxInt32 = std::numeric_limits<int32_t>::max();

// Two floats, then a code for each token and, where their number is odd, one without meaning.
uint64_t row_bytes(uint64_t vocab) { return 8 + 2 * (vocab + vocab % 2); }

}  // namespace

Result<SavedLogitsWriter> SavedLogitsWriter::create(const std::string& path,
                                                    const SavedLogitsHeader& header) {
  if (header.context < 3 || header.tokens.empty() || header.tokens.size() % header.context != 0) {
    return invalid_argument(path + ": saved logits need chunks of at least 3 tokens");
  }
  if (header.vocab == 0 || header.vocab > kMaxInt32 || header.chunks() > kMaxInt32) {
    return invalid_argument(path + ": the vocabulary or the text is too large for saved logits");
  }
  SavedLogitsWriter writer;
  writer.rows_left_ = header.rows();
  writer.row_.codes_.resize(header.vocab);
  writer.bytes_.resize(row_bytes(header.vocab));
  ROTOR_ASSIGN(writer.file_, AtomicFile::create(path));
  ROTOR_TRY(writer.file_.write(std::as_bytes(std::span(kMagic))));
  const int32_t sizes[3] = {static_cast<int32_t>(header.context),
                            static_cast<int32_t>(header.vocab),
                            static_cast<int32_t>(header.chunks())};
  ROTOR_TRY(writer.file_.write(std::as_bytes(std::span(sizes))));
  static_assert(sizeof(TokenId) == 4);
  ROTOR_TRY(writer.file_.write(std::as_bytes(std::span(header.tokens))));
  return writer;
}

Status SavedLogitsWriter::write(std::span<const float> logits, const LogSoftmax& log_probability) {
  if (rows_left_ == 0) {
    return internal_error("more rows of saved logits than the header says");
  }
  --rows_left_;
  const float max = static_cast<float>(log_probability.max);
  const float min = std::max(*std::min_element(logits.begin(), logits.end()), max - kRange);
  row_.scale_ = (max - min) / kMaxCode;
  row_.base_ = (min - max) - static_cast<float>(log_probability.log_sum);
  float steps = 1.0f / row_.scale_;
  if (!std::isfinite(steps)) {  // all logits are equal, or as good as that
    row_.scale_ = steps = 0.0f;
  }
  for (size_t i = 0; i < logits.size(); ++i) {
    const float code = std::nearbyint(steps * (std::max(logits[i], min) - min));
    row_.codes_[i] = static_cast<uint16_t>(std::min(code, kMaxCode));
  }
  std::memcpy(bytes_.data(), &row_.scale_, 4);
  std::memcpy(bytes_.data() + 4, &row_.base_, 4);
  std::memcpy(bytes_.data() + 8, row_.codes_.data(), 2 * row_.codes_.size());
  return file_.write(bytes_);
}

Status SavedLogitsWriter::commit() {
  if (rows_left_ != 0) {
    return internal_error(std::to_string(rows_left_) + " rows of saved logits are missing");
  }
  return file_.commit();
}

Result<SavedLogitsReader> SavedLogitsReader::open(const std::string& path) {
  ROTOR_ASSIGN(File file, File::open(path));
  return parse(std::move(file));
}

Result<SavedLogitsReader> SavedLogitsReader::parse(File file) {
  SavedLogitsReader reader;
  reader.file_ = std::move(file);
  ROTOR_TRY(reader.read_header());
  return reader;
}

Status SavedLogitsReader::read_header() {
  ByteReader in(file_, file_.size());
  char magic[8];
  ROTOR_TRY(in.bytes("magic", std::as_writable_bytes(std::span(magic))));
  if (std::string_view(magic, 8) != kMagic) {
    return in.error("magic", 0, "expected _logits_: the file holds no saved logits");
  }
  const auto size = [&](std::string_view field, int32_t least) -> Result<uint64_t> {
    const uint64_t offset = in.offset();
    ROTOR_ASSIGN(const int32_t value, in.number<int32_t>(field));
    if (value < least) {
      return in.error(field, offset, "expected at least " + std::to_string(least) + ", got " +
                                         std::to_string(value));
    }
    return static_cast<uint64_t>(value);
  };
  ROTOR_ASSIGN(const uint64_t context, size("context", 3));
  ROTOR_ASSIGN(const uint64_t vocab, size("vocabulary", 1));
  ROTOR_ASSIGN(const uint64_t chunks, size("chunks", 1));
  // Each factor is below 2^31, so only the last product and the sum may wrap.
  const uint64_t tokens = context * chunks;
  const auto rows = checked_multiply(chunks * (context - 1 - context / 2), row_bytes(vocab));
  const auto total = rows ? checked_add(*rows, kHeaderBytes + 4 * tokens) : std::nullopt;
  if (total != file_.size()) {
    return in.error("chunks", 16, "context " + std::to_string(context) + ", vocabulary " +
                                      std::to_string(vocab) + " and " + std::to_string(chunks) +
                                      " chunks do not make a file of " +
                                      std::to_string(file_.size()) + " bytes");
  }
  header_.context = context;
  header_.vocab = vocab;
  header_.tokens.resize(tokens);
  ROTOR_TRY(in.bytes("tokens", std::as_writable_bytes(std::span(header_.tokens))));
  const auto bad = std::find_if(header_.tokens.begin(), header_.tokens.end(), [&](TokenId token) {
    return token < 0 || static_cast<uint64_t>(token) >= vocab;
  });
  if (bad != header_.tokens.end()) {
    const auto index = static_cast<uint64_t>(bad - header_.tokens.begin());
    return in.error("token", kHeaderBytes + 4 * index,
                    std::to_string(*bad) + " is not below the vocabulary of " +
                        std::to_string(vocab));
  }
  offset_ = in.offset();
  row_.codes_.resize(vocab);
  bytes_.resize(row_bytes(vocab));
  return {};
}

Result<const SavedRow*> SavedLogitsReader::next() {
  ROTOR_TRY(file_.read(offset_, bytes_));
  std::memcpy(&row_.scale_, bytes_.data(), 4);
  std::memcpy(&row_.base_, bytes_.data() + 4, 4);
  std::memcpy(row_.codes_.data(), bytes_.data() + 8, 2 * row_.codes_.size());
  const uint16_t largest = *std::max_element(row_.codes_.begin(), row_.codes_.end());
  const float likeliest = row_.scale_ * static_cast<float>(largest) + row_.base_;
  if (!std::isfinite(row_.base_) || !std::isfinite(likeliest) || row_.scale_ < 0.0f ||
      likeliest > kRounding) {
    return format_error(file_.path() + ": the row at offset " + std::to_string(offset_) +
                        " holds no log-probabilities: scale " + std::to_string(row_.scale_) +
                        ", smallest " + std::to_string(row_.base_) + ", largest " +
                        std::to_string(likeliest));
  }
  offset_ += bytes_.size();
  return &row_;
}

}  // namespace rotor
