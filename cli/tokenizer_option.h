// SPDX-License-Identifier: Apache-2.0
// The tokenizer of a MODEL argument, which may be a tokenizer alone.
#pragma once

#include <rotor/status.h>

#include "model_options.h"
#include "text/tokenizer.h"

namespace rotor::cli {

Result<Tokenizer> open_tokenizer(const ModelOptions& options);

}  // namespace rotor::cli
