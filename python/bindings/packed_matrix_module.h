// SPDX-License-Identifier: Apache-2.0
// rotor._core.PackedMatrix and the products of packed weights.
#pragma once

#include <nanobind/nanobind.h>

namespace rotor::python {

void bind_packed_matrix(nanobind::module_& module);

}  // namespace rotor::python
