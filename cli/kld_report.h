// SPDX-License-Identifier: Apache-2.0
// What rotor ppl --kld tells.
#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "engine/kl_divergence.h"

namespace rotor::cli {

// REQUIRES: divergence.tokens() > 0. `base` is the file of the saved logits.
boost::json::object kld_json(const KlDivergence& divergence, const std::string& base);
void print_kld(const KlDivergence& divergence, const std::string& base);

}  // namespace rotor::cli
