// SPDX-License-Identifier: Apache-2.0
// What a model's file holds, as arrays: its matrices, norms, embedding and tokenizer, without an engine.
#pragma once

#include <nanobind/nanobind.h>

namespace rotor::python {

void bind_model_file(nanobind::module_& module);

}  // namespace rotor::python
