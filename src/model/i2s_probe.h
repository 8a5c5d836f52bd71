// SPDX-License-Identifier: Apache-2.0
// Which of the three layouts of I2_S a GGUF file has. Nothing in the file says it, and one matrix
// alone cannot show it: a wrong layout moves trits about within blocks. What two tensors have in
// common can. In trained models the gain of a norm goes with the number of weights that are not
// zero in the columns it feeds, and a channel of the feed-forward that is dead is a row of zeros in
// gate or up and a column of zeros in down. Only the right layout leaves the columns where their
// partners are.
#pragma once

#include <rotor/status.h>

#include <array>
#include <cstddef>
#include <string>

#include "io/gguf.h"
#include "io/i2s.h"

namespace rotor {

inline constexpr size_t kI2sLayouts = 3;

struct I2sEvidence {
  // Sum over norms of (columns * r^2 - 1), r the rank correlation of a norm's gains with how many
  // weights of each column it feeds are not zero: about 0, give or take sqrt(2 norms), where they
  // have nothing in common.
  double gains = 0.0;
  size_t norms = 0;
  // Channels whose row of gate or up is zero, whose column of down is, and both.
  size_t dead_rows = 0;
  size_t dead_columns = 0;
  size_t dead_both = 0;
};

struct I2sChoice {
  enum class By : uint8_t { kOption, kWeights, kDefault };
  I2sLayout layout = I2sLayout::k128;
  By by = By::kDefault;
  std::array<I2sEvidence, kI2sLayouts> evidence;  // by layout; empty for kOption
};

// "option", "weights" or "default"
std::string_view i2s_choice_name(I2sChoice::By by);

// What was chosen and why, for a person.
std::string i2s_choice_text(const I2sChoice& choice);

// The layout that `evidence` shows clearly, or k128 by default.
I2sChoice choose_i2s_layout(const std::array<I2sEvidence, kI2sLayouts>& evidence);

// Reads at most four of the model's `layers` layers, and of a matrix 512 rows where no more are
// needed. Errors: those of reading, and code 3.
Result<I2sChoice> probe_i2s_layout(const GgufFile& file, size_t layers);

}  // namespace rotor
