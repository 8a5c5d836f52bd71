// SPDX-License-Identifier: Apache-2.0
// rotor inspect --container: the structure of a file (metadata keys and tensors), whatever model or
// data it holds.
#pragma once

#include <rotor/status.h>

#include <string>

namespace rotor::cli {

Status report_container(const std::string& path, bool json);

}  // namespace rotor::cli
