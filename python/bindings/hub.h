// SPDX-License-Identifier: Apache-2.0
// Models of the Hugging Face hub, found in the cache or downloaded.
#pragma once

#include <nanobind/nanobind.h>

namespace rotor::python {

void bind_hub(nanobind::module_& module);

}  // namespace rotor::python
