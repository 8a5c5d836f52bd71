// SPDX-License-Identifier: Apache-2.0
// Models made of seeded random numbers in the shape of published ones: what speed is measured on when
// the real weights are not at hand. Half of the trits are zero; embedding rows are near Gaussian.
#pragma once

#include <rotor/status.h>

#include <string>
#include <vector>

#include "model/model_source.h"

namespace rotor {

// Names that synthetic_source() knows: "bitnet-2b-4t" (BitNet b1.58 2B-4T); "llama3-8b" and
// "falcon3-10b", of which ternary forms were published; "bitnet-70b" (the sizes of Llama 70B, as in the
// paper on b1.58) and "bitnet-100b" (those of bitnet.cpp's 100B measurements), which nobody trained;
// "tiny". "bitnet-2b-4t-g128" and "tiny-g128" have a scale for each 128 columns.
std::vector<std::string> synthetic_names();

// The same bytes for the same name and seed on every machine. kNotFound lists the known names.
Result<ModelSource> synthetic_source(const std::string& name, uint64_t seed);

}  // namespace rotor
