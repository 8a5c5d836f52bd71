// SPDX-License-Identifier: Apache-2.0
// One ternary matrix of a GGUF file, whatever type holds it. The type is decided by id and size; a
// matrix of floats is accepted only when its values are exactly ternary.
#pragma once

#include <rotor/status.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/gguf.h"
#include "io/i2s.h"
#include "model/model_source.h"
#include "model/weights.h"

namespace rotor {

// "<file>: tensor '<name>' at byte <offset>"
std::string gguf_place(const GgufFile& file, const GgufTensor& tensor);

// How an embedding or head of a GGUF type is read; none for one that is not.
std::optional<FloatType> gguf_float_type(uint32_t type);

// The values of a tensor of F32, F16 or BF16. kUnsupported for another type, kFormatError for a
// value that is not finite.
Result<std::vector<float>> read_gguf_floats(const GgufFile& file, const GgufTensor& tensor);

// `name`.weight, which is `tensor` of `file`, with the scale in `name`.scale where there is one.
// I2_S is read as `layout` says. kFormatError, or kUnsupported with the way out for a type that is
// not read.
Result<LinearSource> open_gguf_linear(const std::shared_ptr<const GgufFile>& file,
                                      const std::string& name, const GgufTensor& tensor,
                                      I2sLayout layout);

// The rows of an embedding or head of a ternary type in blocks, as binary16, which holds trit times scale
// exactly; null for a tensor of another type.
Result<std::unique_ptr<FloatReader>> open_gguf_ternary_rows(
    const std::shared_ptr<const GgufFile>& file, const GgufTensor& tensor);

}  // namespace rotor
