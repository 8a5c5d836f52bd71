// SPDX-License-Identifier: Apache-2.0
// Magnitudes are compared as the bits of their type, in which neighbouring numbers differ by one.
// The matrix is read once into the magnitudes of its runs of 64 columns, and every larger unit is
// put together from those.
#include "model/exact_ternary.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "base/half.h"

namespace rotor {
namespace {

constexpr size_t kRun = 64;  // columns: the smallest group

// How a float type keeps its numbers.
struct Bits {
  FloatType type;
  size_t bytes() const { return type == FloatType::kF32 ? 4 : 2; }
  uint32_t sign() const { return type == FloatType::kF32 ? 0x80000000u : 0x8000u; }
  uint32_t infinity() const {
    return type == FloatType::kF32 ? 0x7f800000u : type == FloatType::kF16 ? 0x7c00u : 0x7f80u;
  }
  uint32_t magnitude(const std::byte* at) const {
    uint32_t bits = 0;
    std::memcpy(&bits, at, bytes());
    return bits & ~sign();
  }
  float value(uint32_t magnitude) const {
    if (type != FloatType::kF32) {
      const auto half = static_cast<uint16_t>(magnitude);
      return type == FloatType::kF16 ? f16_to_float(half) : bf16_to_float(half);
    }
    float value;
    std::memcpy(&value, &magnitude, sizeof(value));
    return value;
  }
};

// The magnitudes of a unit that are not zero: none, one, or two neighbours.
struct Magnitudes {
  uint32_t low = 0;
  uint32_t at_low = 0;    // how many; less than 2^32, see open_exact_ternary()
  uint32_t above = 0;     // how many have low + 1
  bool fits = true;       // there are no others

  void add(uint32_t bits, uint32_t count) {
    if (count == 0) {
      return;
    }
    if (at_low + above == 0) {
      low = bits;
      at_low = count;
    } else if (bits == low) {
      at_low += count;
    } else if (bits == low + 1) {
      above += count;
    } else if (bits + 1 == low && above == 0) {
      low = bits;
      above = at_low;
      at_low = count;
    } else {
      fits = false;
    }
  }
  void add(const Magnitudes& other) {
    fits = fits && other.fits;
    add(other.low, other.at_low);
    add(other.low + 1, other.above);
  }
  bool exact() const { return fits && above == 0; }
  uint32_t common() const { return above > at_low ? low + 1 : low; }  // 0 for zeros alone
  uint32_t rare_count() const { return std::min(at_low, above); }
};

// The smallest and the largest of the magnitudes that are not 0, and how many there are.
struct Range {
  uint32_t low = UINT32_MAX;
  uint32_t high = 0;
  uint32_t count = 0;
};
template <typename T>
Range range_of(const std::byte* bytes, size_t cols) {
  constexpr T kSign = static_cast<T>(T{1} << (8 * sizeof(T) - 1));
  T low = static_cast<T>(~T{0});  // less one, so that zeros, which wrap, are the largest
  T high = 0;
  uint32_t count = 0;
  for (size_t i = 0; i < cols; ++i) {
    T bits;
    std::memcpy(&bits, bytes + i * sizeof(T), sizeof(T));
    const T magnitude = bits & static_cast<T>(~kSign);
    low = std::min(low, static_cast<T>(magnitude - 1));
    high = std::max(high, magnitude);
    count += magnitude != 0;
  }
  return {uint32_t{static_cast<T>(low + 1)}, high, count};
}

// Those of a run of columns, which need not fit.
Magnitudes magnitudes_of(const Bits& bits, const std::byte* bytes, size_t cols) {
  const Range range = bits.bytes() == 4 ? range_of<uint32_t>(bytes, cols)
                                        : range_of<uint16_t>(bytes, cols);
  Magnitudes result;
  if (range.count == 0 || range.low == range.high) {
    result.add(range.low, range.count);
    return result;
  }
  for (size_t i = 0; i < cols; ++i) {
    const uint32_t magnitude = bits.magnitude(bytes + i * bits.bytes());
    result.add(magnitude, magnitude == 0 ? 0 : 1);
  }
  return result;
}

class Matrix {
 public:
  Matrix(const std::string& tensor, FloatType type, size_t rows, size_t cols, ReadBytes read)
      : tensor_(tensor), bits_{type}, rows_(rows), cols_(cols), read_(std::move(read)) {}

  // Fills the runs. Refuses at once where even the smallest unit has several magnitudes.
  Status examine() {
    runs_.reserve(rows_ * runs_per_row());
    std::vector<std::byte> bytes(cols_ * bits_.bytes());
    for (size_t row = 0; row < rows_; ++row) {
      ROTOR_TRY(read_(row * bytes.size(), bytes));
      for (size_t col = 0; col < cols_; col += kRun) {
        const size_t count = std::min(kRun, cols_ - col);
        runs_.push_back(magnitudes_of(bits_, bytes.data() + col * bits_.bytes(), count));
        if (!runs_.back().fits || runs_.back().low + 1 >= bits_.infinity()) {
          ROTOR_TRY(explain(row, bytes, col, count));
        }
      }
    }
    return {};
  }

  // Whether units of `unit_rows` rows, or of `unit_cols` columns of a row, have one magnitude each;
  // their magnitudes in order, or nullopt.
  std::optional<std::vector<Magnitudes>> units(size_t unit_rows, size_t unit_cols, bool exact) const {
    std::vector<Magnitudes> found;
    const size_t runs = std::min(runs_per_row(), (unit_cols + kRun - 1) / kRun);
    for (size_t row = 0; row < rows_; row += unit_rows) {
      for (size_t first = 0; first < runs_per_row(); first += runs) {
        Magnitudes unit;
        for (size_t r = row; r < row + unit_rows; ++r) {
          const size_t end = std::min(first + runs, runs_per_row());
          for (size_t run = first; run < end; ++run) {
            unit.add(runs_[r * runs_per_row() + run]);
          }
        }
        if (exact ? !unit.exact() : !unit.fits) {
          return std::nullopt;
        }
        found.push_back(unit);
      }
    }
    return found;
  }

  size_t rows() const { return rows_; }
  size_t cols() const { return cols_; }
  const Bits& bits() const { return bits_; }
  const ReadBytes& read() const { return read_; }

 private:
  size_t runs_per_row() const { return (cols_ + kRun - 1) / kRun; }

  // What is wrong with `count` columns of a row.
  Status explain(size_t row, const std::vector<std::byte>& bytes, size_t col, size_t count) const {
    Magnitudes run;
    for (size_t c = col; c < col + count; ++c) {
      const uint32_t magnitude = bits_.magnitude(bytes.data() + c * bits_.bytes());
      if (magnitude >= bits_.infinity()) {
        return format_error(tensor_ + ", byte " +
                            std::to_string(row * bytes.size() + c * bits_.bytes()) +
                            " of its data: expected finite weights, got infinity or NaN");
      }
      const float expected = bits_.value(run.common());
      run.add(magnitude, magnitude == 0 ? 0 : 1);
      if (!run.fits) {
        return unsupported(tensor_ + ": ordinary float weights are not ternarised silently; expected "
                           "only 0 and +-" + std::to_string(expected) + ", got a magnitude of " +
                           std::to_string(bits_.value(magnitude)) + " in row " +
                           std::to_string(row) + ", column " + std::to_string(c));
      }
    }
    return {};
  }

  const std::string& tensor_;
  Bits bits_;
  size_t rows_;
  size_t cols_;
  ReadBytes read_;
  std::vector<Magnitudes> runs_;  // (rows, runs_per_row())
};

// The signs of the values.
class SignReader final : public TritReader {
 public:
  SignReader(Bits bits, size_t rows, size_t cols, ReadBytes read)
      : TritReader(rows, cols), bits_(bits), read_(std::move(read)) {}

  Status read(size_t begin, size_t end, int8_t* trits) const override {
    std::vector<std::byte> bytes(cols() * bits_.bytes());
    for (size_t r = begin * kTileRows; r < end * kTileRows; ++r, trits += cols()) {
      if (r >= rows()) {
        std::memset(trits, 0, cols());
        continue;
      }
      ROTOR_TRY(read_(r * bytes.size(), bytes));
      for (size_t c = 0; c < cols(); ++c) {
        const std::byte* const value = bytes.data() + c * bits_.bytes();
        const bool negative = (value[bits_.bytes() - 1] & std::byte{0x80}) != std::byte{0};
        trits[c] = static_cast<int8_t>(bits_.magnitude(value) == 0 ? 0 : negative ? -1 : 1);
      }
    }
    return {};
  }

 private:
  Bits bits_;
  ReadBytes read_;
};

// The common magnitudes of groups, found again where they are read: keeping them would take a
// sixteenth of the weights' memory.
class GroupMagnitudes final : public GroupScaleReader {
 public:
  GroupMagnitudes(Bits bits, size_t rows, size_t cols, size_t group, ReadBytes read)
      : bits_(bits), rows_(rows), cols_(cols), group_(group), read_(std::move(read)) {}

  Status read(size_t begin, size_t end, float* scales) const override {
    std::vector<std::byte> bytes(cols_ * bits_.bytes());
    for (size_t row = begin * kTileRows; row < end * kTileRows; ++row) {
      if (row < rows_) {
        ROTOR_TRY(read_(row * bytes.size(), bytes));
      }
      for (size_t col = 0; col < cols_; col += group_) {
        const std::byte* const first = bytes.data() + col * bits_.bytes();
        *scales++ = row >= rows_ ? 0.0f
                                 : bits_.value(magnitudes_of(bits_, first,
                                                             std::min(group_, cols_ - col)).common());
      }
    }
    return {};
  }

 private:
  Bits bits_;
  size_t rows_;
  size_t cols_;
  size_t group_;
  ReadBytes read_;
};

struct Unit {
  size_t rows;
  size_t cols;
  std::string name;
};

// From the whole matrix to the smallest group.
std::vector<Unit> all_units(size_t rows, size_t cols) {
  std::vector<Unit> units = {{rows, cols, "matrix"}};
  for (const size_t shards : {2, 4, 8}) {
    if (rows % shards == 0 && rows > shards) {
      units.push_back({rows / shards, cols, std::to_string(shards) + " shards of rows"});
    }
  }
  units.push_back({1, cols, "row"});
  for (const size_t group : {256, 128, 64}) {
    if (group < cols) {
      units.push_back({1, group, std::to_string(group) + " columns"});
    }
  }
  return units;
}

ExactTernary take(const Matrix& matrix, const Unit& unit, const std::vector<Magnitudes>& found) {
  ExactTernary result;
  result.units = unit.name;
  std::vector<float> scales;
  for (const Magnitudes& magnitudes : found) {
    scales.push_back(matrix.bits().value(magnitudes.common()));
    result.off_by_one += magnitudes.rare_count();
  }
  result.trits = std::make_unique<SignReader>(matrix.bits(), matrix.rows(), matrix.cols(),
                                              matrix.read());
  if (unit.cols < matrix.cols()) {
    result.scale.granularity = TernaryScale::Granularity::kGroup;
    const bool half = matrix.bits().type == FloatType::kF16;
    result.scale.group = {unit.cols, half ? GroupScaleType::kF16 : GroupScaleType::kF32};
    result.group_scales = std::make_unique<GroupMagnitudes>(matrix.bits(), matrix.rows(), matrix.cols(),
                                                            unit.cols, matrix.read());
    return result;
  }
  if (unit.rows == matrix.rows()) {
    result.scale.values = {scales[0] == 0.0f ? 1.0f : scales[0]};
    return result;
  }
  result.scale.granularity = TernaryScale::Granularity::kRow;
  for (size_t row = 0; row < matrix.rows(); ++row) {
    result.scale.values.push_back(scales[row / unit.rows]);
  }
  return result;
}

}  // namespace

Result<ExactTernary> open_exact_ternary(const std::string& tensor, FloatType type, size_t rows,
                                        size_t cols, ReadBytes read) try {
  if (rows >= (uint64_t{1} << 32) / cols) {  // counts are of 32 bits
    return unsupported(tensor + ": a matrix of 2^32 weights or more is not supported");
  }
  Matrix matrix(tensor, type, rows, cols, std::move(read));
  ROTOR_TRY(matrix.examine());
  for (const bool exact : {true, false}) {
    for (const Unit& unit : all_units(rows, cols)) {
      if (const auto found = matrix.units(unit.rows, unit.cols, exact)) {
        return take(matrix, unit, *found);
      }
    }
  }
  return internal_error(tensor + ": the smallest units fit, but none was taken");
} catch (const std::bad_alloc&) {
  return out_of_memory(tensor + ": no memory to look for its scales");
}

Result<LinearSource> exact_ternary_source(const std::string& tensor, const std::string& type_name,
                                          const std::string& place, FloatType type,
                                          MatrixShape shape, ReadBytes read) {
  ROTOR_ASSIGN(ExactTernary exact,
               open_exact_ternary(place, type, shape.rows, shape.cols, std::move(read)));
  LinearSource source{tensor, type_name + " holding trits", nullptr, {}};
  if (exact.units.ends_with("shards of rows")) {  // scale_rule_text() knows only rows
    source.layout += ", " + exact.units;
  }
  source.trits = std::move(exact.trits);
  source.scale = std::move(exact.scale);
  source.group_scales = std::move(exact.group_scales);
  source.off_by_one = exact.off_by_one;
  return source;
}

}  // namespace rotor
