// SPDX-License-Identifier: Apache-2.0
#include "model/master_reader.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "base/half.h"

namespace rotor {
namespace {

void to_floats(FloatType type, const std::byte* bytes, size_t n, float* out) {
  if (type == FloatType::kF32) {
    std::memcpy(out, bytes, n * sizeof(float));
    return;
  }
  const auto* halves = reinterpret_cast<const uint16_t*>(bytes);
  for (size_t i = 0; i < n; ++i) {
    out[i] = type == FloatType::kBf16 ? bf16_to_float(halves[i]) : f16_to_float(halves[i]);
  }
}

class MasterReader final : public TritReader {
 public:
  MasterReader(FloatType type, size_t rows, size_t cols, ReadBytes read)
      : TritReader(rows, cols), type_(type), read_(std::move(read)) {}

  // 1 / max(mean|W|, 1e-5), the factor that brings weights to the scale of trits.
  Status find_scale(const std::string& tensor) {
    double total = 0.0;
    ROTOR_TRY(for_each_row(tensor, [&](size_t, const float* row) -> Status {
      double sum = 0.0;
      for (size_t c = 0; c < cols(); ++c) {
        sum += std::fabs(static_cast<double>(row[c]));
      }
      total += sum;
      return {};
    }));
    const double count = static_cast<double>(rows()) * static_cast<double>(cols());
    factor_ = 1.0f / std::max(static_cast<float>(total / count), 1e-5f);
    multiplier_ = 1.0f / factor_;
    return {};
  }

  float multiplier() const { return multiplier_; }

  Status read(size_t begin, size_t end, int8_t* trits) const override {
    const size_t row_bytes = float_row_bytes(type_, cols());
    std::vector<std::byte> bytes(row_bytes);
    std::vector<float> row(cols());
    for (size_t r = begin * kTileRows; r < end * kTileRows; ++r, trits += cols()) {
      if (r >= rows()) {
        std::memset(trits, 0, cols());
        continue;
      }
      ROTOR_TRY(read_(r * row_bytes, bytes));
      to_floats(type_, bytes.data(), cols(), row.data());
      for (size_t c = 0; c < cols(); ++c) {
        // Rounding half to even and clamping to one: |w| = 0.5 rounds to 0.
        const float scaled = row[c] * factor_;
        trits[c] = static_cast<int8_t>((scaled > 0.5f) - (scaled < -0.5f));
      }
    }
    return {};
  }

 private:
  // Calls use(r, row) for all rows in order; refuses values that are not finite.
  template <typename Use>
  Status for_each_row(const std::string& tensor, Use use) const {
    const size_t row_bytes = float_row_bytes(type_, cols());
    std::vector<std::byte> bytes(row_bytes);
    std::vector<float> row(cols());
    for (size_t r = 0; r < rows(); ++r) {
      ROTOR_TRY(read_(r * row_bytes, bytes));
      to_floats(type_, bytes.data(), cols(), row.data());
      for (size_t c = 0; c < cols(); ++c) {
        if (!std::isfinite(row[c])) {
          return format_error(tensor + ", byte " +
                              std::to_string(r * row_bytes + c * (row_bytes / cols())) +
                              " of its data: expected finite weights, got infinity or NaN");
        }
      }
      ROTOR_TRY(use(r, row.data()));
    }
    return {};
  }

  FloatType type_;
  ReadBytes read_;
  float factor_ = 1.0f;      // brings weights to the scale of trits
  float multiplier_ = 1.0f;  // and trits back
};

MasterMatrix take(std::unique_ptr<MasterReader> reader) {
  MasterMatrix matrix;
  matrix.scale.values = {reader->multiplier()};
  matrix.trits = std::move(reader);
  return matrix;
}

}  // namespace

Result<MasterMatrix> open_master(const std::string& tensor, FloatType type, size_t rows,
                                 size_t cols, ReadBytes read) {
  auto reader = std::make_unique<MasterReader>(type, rows, cols, std::move(read));
  ROTOR_TRY(reader->find_scale(tensor));
  return take(std::move(reader));
}

}  // namespace rotor
