// SPDX-License-Identifier: Apache-2.0
// Models made of seeded random numbers in the shape of published ones: what speed is measured on when
// the real weights are not at hand. Half of the trits are zero; embedding rows are near Gaussian.
#pragma once

#include <rotor/status.h>

#include <string>
#include <vector>

#include "model/model_source.h"

namespace rotor {

// Names that synthetic_source() knows: "bitnet-2b-4t", "tiny".
std::vector<std::string> synthetic_names();

// The same bytes for the same name and seed on every machine. kNotFound lists the known names.
Result<ModelSource> synthetic_source(const std::string& name, uint64_t seed);

}  // namespace rotor
