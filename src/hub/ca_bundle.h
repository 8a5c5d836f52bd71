// SPDX-License-Identifier: Apache-2.0
// Where Linux distributions keep the certificates of authorities, for a libcurl that has no such place
// built in because its program is to run on all of them.
#pragma once

#include <functional>
#include <string>

namespace rotor {

// The first file of them that `readable` accepts; empty where none is.
std::string find_ca_bundle(const std::function<bool(const char* path)>& readable);
std::string find_ca_bundle();  // of this machine

}  // namespace rotor
