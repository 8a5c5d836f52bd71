// SPDX-License-Identifier: Apache-2.0
// The decoder's operations on arrays of the caller, for the building blocks in Python.
#pragma once

#include <nanobind/nanobind.h>

namespace rotor::python {

void bind_kernel_ops(nanobind::module_& module);

}  // namespace rotor::python
