// SPDX-License-Identifier: Apache-2.0
#include "model/i2s_probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "model/gguf_linear.h"
#include "model/gguf_names.h"

namespace rotor {
namespace {

constexpr I2sLayout kLayouts[kI2sLayouts] = {I2sLayout::k128, I2sLayout::k64, I2sLayout::k1x4};
constexpr uint64_t kSampleRows = 512;
constexpr size_t kSampleLayers = 4;

// 0, 1, ... in the order of `values`, equal ones sharing the mean of their places.
template <typename T>
std::vector<double> ranks(const std::vector<T>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) {
      ++end;
    }
    for (size_t i = begin; i < end; ++i) {
      ranks[order[i]] = 0.5 * static_cast<double>(begin + end - 1);
    }
    begin = end;
  }
  return ranks;
}

// 0 where one of them is constant.
double rank_correlation(const std::vector<float>& gains, const std::vector<uint32_t>& counts) {
  const std::vector<double> a = ranks(gains);
  const std::vector<double> b = ranks(counts);
  const double mean = 0.5 * static_cast<double>(a.size() - 1);
  double ab = 0.0;
  double aa = 0.0;
  double bb = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean) * (b[i] - mean);
    aa += (a[i] - mean) * (a[i] - mean);
    bb += (b[i] - mean) * (b[i] - mean);
  }
  return aa == 0.0 || bb == 0.0 ? 0.0 : ab / std::sqrt(aa * bb);
}

class Probe {
 public:
  explicit Probe(const GgufFile& file) : file_(file) {}

  Status look_at(size_t layer) {
    layer_ = layer;
    ROTOR_TRY(compare(NormRole::kAttn, {LinearRole::kQ, LinearRole::kK, LinearRole::kV}));
    ROTOR_TRY(compare(NormRole::kAttnSub, {LinearRole::kO}));
    ROTOR_TRY(compare(NormRole::kFfn, {LinearRole::kGate, LinearRole::kUp}));
    ROTOR_TRY(compare(NormRole::kFfnSub, {LinearRole::kDown}));
    return find_dead_channels();
  }

  const std::array<I2sEvidence, kI2sLayouts>& evidence() const { return evidence_; }

 private:
  const GgufTensor* matrix(LinearRole role) const {
    const GgufTensor* const tensor =
        file_.find_tensor(gguf_names::linear(layer_, role) + ".weight");
    return tensor != nullptr && tensor->type == kGgufI2S ? tensor : nullptr;
  }

  // Weights that are not zero in each column of the first rows; none where the layout cannot hold
  // the matrix.
  Result<std::vector<uint32_t>> column_counts(const GgufTensor& tensor, I2sLayout layout) const {
    std::vector<uint32_t> counts;
    Result<I2sTensor> opened = I2sTensor::open(file_, tensor, layout);
    if (!opened.ok()) {
      return opened.status().code() == Code::kUnsupported ? Result<std::vector<uint32_t>>(counts)
                                                          : opened.status();
    }
    counts.resize(opened->cols());
    constexpr uint64_t kStep = 16;
    const uint64_t rows = std::min(opened->rows(), kSampleRows);
    std::vector<int8_t> trits(kStep * counts.size());
    for (uint64_t row = 0; row < rows; row += kStep) {
      const uint64_t end = std::min(rows, row + kStep);
      ROTOR_TRY(opened->read_rows(row, end, trits.data(), counts.size()));
      const int8_t* trit = trits.data();
      for (uint64_t r = row; r < end; ++r) {
        for (uint32_t& count : counts) {
          count += static_cast<uint32_t>(*trit++ & 1);
        }
      }
    }
    return counts;
  }

  // The gains of a norm with the columns of the matrices that it feeds.
  Status compare(NormRole norm, std::initializer_list<LinearRole> matrices) {
    const GgufTensor* const gains_tensor =
        file_.find_tensor(gguf_names::layer_norm(layer_, norm));
    if (gains_tensor == nullptr) {
      return {};
    }
    ROTOR_ASSIGN(std::vector<float> gains, read_gguf_floats(file_, *gains_tensor));
    for (float& gain : gains) {
      gain = std::abs(gain);
    }
    for (size_t l = 0; l < kI2sLayouts; ++l) {
      std::vector<uint32_t> sum(gains.size());
      bool all = true;
      for (const LinearRole role : matrices) {
        const GgufTensor* const tensor = matrix(role);
        if (tensor == nullptr || tensor->dims[0] != gains.size()) {
          return {};
        }
        ROTOR_ASSIGN(const std::vector<uint32_t> counts, column_counts(*tensor, kLayouts[l]));
        all = all && !counts.empty();
        for (size_t col = 0; col < counts.size(); ++col) {
          sum[col] += counts[col];
        }
      }
      if (all) {
        const double r = rank_correlation(gains, sum);
        evidence_[l].gains += static_cast<double>(gains.size()) * r * r - 1.0;
        ++evidence_[l].norms;
      }
    }
    return {};
  }

  // rows[l][r]: row r is zero when read as layout l. Four rows and their bytes are the same in
  // every layout where rows are whole blocks.
  Status add_zero_rows(const GgufTensor& tensor,
                       std::array<std::vector<bool>, kI2sLayouts>& rows) const {
    const size_t cols = tensor.dims[0];
    constexpr uint8_t kZeros = 0x55;
    std::vector<uint8_t> group(cols);
    for (size_t row = 0; row < tensor.dims[1]; row += 4) {
      ROTOR_TRY(file_.read(tensor, row / 4 * cols, std::as_writable_bytes(std::span(group))));
      uint8_t any_of_group = 0;
      for (size_t r = 0; r < 4; ++r) {
        uint8_t any = 0;
        for (size_t i = r * cols / 4; i < (r + 1) * cols / 4; ++i) {
          any |= group[i] ^ kZeros;
        }
        any_of_group |= any;
        rows[0][row + r] = rows[0][row + r] || any == 0;
        rows[1][row + r] = rows[1][row + r] || any == 0;
      }
      for (size_t r = 0; r < 4; ++r) {
        rows[2][row + r] = rows[2][row + r] || ((any_of_group >> (6 - 2 * r)) & 3) == 0;
      }
    }
    return {};
  }

  Status find_dead_channels() {
    const GgufTensor* const gate = matrix(LinearRole::kGate);
    const GgufTensor* const up = matrix(LinearRole::kUp);
    const GgufTensor* const down = matrix(LinearRole::kDown);
    if (gate == nullptr || up == nullptr || down == nullptr || gate->dims != up->dims ||
        down->dims[0] != gate->dims[1] || gate->dims[0] % 128 != 0 || gate->dims[1] % 4 != 0) {
      return {};
    }
    for (const GgufTensor* const tensor : {gate, up}) {  // that they have their bytes
      ROTOR_TRY(I2sTensor::open(file_, *tensor, I2sLayout::k1x4).status());
    }
    std::array<std::vector<bool>, kI2sLayouts> rows;
    rows.fill(std::vector<bool>(gate->dims[1]));
    ROTOR_TRY(add_zero_rows(*gate, rows));
    ROTOR_TRY(add_zero_rows(*up, rows));
    for (size_t l = 0; l < kI2sLayouts; ++l) {
      ROTOR_ASSIGN(const std::vector<uint32_t> counts, column_counts(*down, kLayouts[l]));
      for (size_t channel = 0; channel < counts.size(); ++channel) {
        evidence_[l].dead_rows += rows[l][channel];
        evidence_[l].dead_columns += counts[channel] == 0;
        evidence_[l].dead_both += rows[l][channel] && counts[channel] == 0;
      }
    }
    return {};
  }

  const GgufFile& file_;
  size_t layer_ = 0;  // that is looked at
  std::array<I2sEvidence, kI2sLayouts> evidence_;
};

// The layout whose number is at least `least`, and `factor` times that of each other.
template <typename Number>
std::optional<size_t> clearly_largest(const std::array<I2sEvidence, kI2sLayouts>& evidence,
                                      Number number, double least, double factor, double floor) {
  std::array<double, kI2sLayouts> values;
  std::transform(evidence.begin(), evidence.end(), values.begin(), number);
  const size_t best =
      static_cast<size_t>(std::max_element(values.begin(), values.end()) - values.begin());
  for (size_t l = 0; l < kI2sLayouts; ++l) {
    if (l != best && values[best] < factor * std::max(values[l], floor)) {
      return std::nullopt;
    }
  }
  return values[best] >= least ? std::optional(best) : std::nullopt;
}

}  // namespace

std::string_view i2s_choice_name(I2sChoice::By by) {
  constexpr std::string_view kNames[] = {"option", "weights", "default"};
  return kNames[static_cast<size_t>(by)];
}

std::string i2s_choice_text(const I2sChoice& choice) {
  const std::string name = "I2_S layout " + std::string(i2s_layout_name(choice.layout));
  if (choice.by == I2sChoice::By::kOption) {
    return name + ", as --i2s-layout says";
  }
  std::string numbers;
  for (size_t l = 0; l < kI2sLayouts; ++l) {
    const I2sEvidence& e = choice.evidence[l];
    numbers += fmt::format("{}{}: {:.0f} and {}", l == 0 ? "" : "; ", i2s_layout_name(kLayouts[l]),
                           e.gains, e.dead_both);
  }
  numbers = " (agreement of norms with columns, and dead channels that match: " + numbers + ")";
  return choice.by == I2sChoice::By::kWeights
             ? name + ": the weights show it" + numbers
             : name + ": assumed; nothing in the file says which, nor do the weights" + numbers +
                   "; choose with --i2s-layout";
}

I2sChoice choose_i2s_layout(const std::array<I2sEvidence, kI2sLayouts>& evidence) {
  I2sChoice choice;
  choice.evidence = evidence;
  size_t norms = 0;
  for (const I2sEvidence& e : evidence) {
    norms = std::max(norms, e.norms);
  }
  // In the trained models at hand the right layout has 4 to 18 times the agreement of the next
  // (docs/formats/gguf.md). 10 standard deviations are no chance.
  const double deviation = std::sqrt(2.0 * static_cast<double>(norms));
  std::optional<size_t> by_gains;
  if (norms > 0) {
    by_gains = clearly_largest(
        evidence, [](const I2sEvidence& e) { return e.gains; }, 10.0 * deviation, 3.0, deviation);
  }
  // Where nothing is shared, a match is as likely as its two sides are common.
  const auto more_than_chance = [&](const I2sEvidence& e) {
    const auto both = static_cast<double>(e.dead_both);
    return 2.0 * both >= static_cast<double>(std::min(e.dead_rows, e.dead_columns)) ? both : 0.0;
  };
  const auto by_dead = clearly_largest(evidence, more_than_chance, 16.0, 4.0, 1.0);
  const bool disagree = by_gains && by_dead && *by_gains != *by_dead;
  const std::optional<size_t> found = by_gains ? by_gains : by_dead;
  if (found && !disagree) {
    choice.layout = kLayouts[*found];
    choice.by = I2sChoice::By::kWeights;
  }
  return choice;
}

Result<I2sChoice> probe_i2s_layout(const GgufFile& file, size_t layers) {
  std::set<size_t> sample;
  for (size_t i = 0; i < std::min(layers, kSampleLayers); ++i) {
    const size_t spread[kSampleLayers] = {1, 2, layers / 2, layers - 1};
    sample.insert(layers <= kSampleLayers ? i : spread[i]);
  }
  Probe probe(file);
  for (const size_t layer : sample) {
    ROTOR_TRY(probe.look_at(layer));
  }
  return choose_i2s_layout(probe.evidence());
}

}  // namespace rotor
