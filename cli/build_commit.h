// SPDX-License-Identifier: Apache-2.0
// Which commit the program was built from; cmake/build_commit.cmake writes the definition.
#pragma once

namespace rotor::cli {

// Twelve digits, with "-dirty" after them when files differed from the commit; "unknown" outside a
// git checkout.
extern const char* const kBuildCommit;

}  // namespace rotor::cli
