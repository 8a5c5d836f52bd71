// SPDX-License-Identifier: Apache-2.0
// What the system says about the machine.
#pragma once

#include <cstdint>
#include <string>

namespace rotor::cli {

// The first line of a file; empty when it cannot be read.
std::string first_line(const std::string& path);

// How the clock frequency is chosen ("performance", "schedutil"); empty where the system does not say.
std::string frequency_governor();

// Bytes that can be taken without swapping: what is free or can be freed; and of them those within the
// limit of this process's control group.
uint64_t free_memory();
uint64_t available_memory();

}  // namespace rotor::cli
