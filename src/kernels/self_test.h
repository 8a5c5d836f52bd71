// SPDX-License-Identifier: Apache-2.0
// A quick check that the kernels of a level compute what the scalar ones do on this very machine:
// what `rotor doctor` runs. The full comparison is the unit tests' business.
#pragma once

#include <rotor/status.h>

#include "base/cpu_features.h"

namespace rotor {

// kVerificationFailed names the first kernel that differs. REQUIRES: this CPU supports `level`.
Status self_test_kernels(IsaLevel level);

}  // namespace rotor
