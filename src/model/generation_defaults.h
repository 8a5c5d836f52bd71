// SPDX-License-Identifier: Apache-2.0
// How a model's makers recommend to sample from it.
#pragma once

#include <rotor/status.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/json_value.h"

namespace rotor {

// generation_config.json of a Hugging Face directory; the object "generation" of a .rotor file.
struct GenerationDefaults {
  std::optional<float> temperature;  // 0 to 100
  std::optional<float> top_p;        // above 0, at most 1
  std::optional<int> top_k;          // 0: all tokens
  std::optional<bool> do_sample;

  friend bool operator==(const GenerationDefaults&, const GenerationDefaults&) = default;
};

// Sets what lies in range; a number out of it is a recommendation no sampler could follow.
void set_generation_defaults(std::optional<double> temperature, std::optional<double> top_p,
                             std::optional<int64_t> top_k, GenerationDefaults& out);

// The members of `object` named as above, where in range. A value of the wrong type is an error that
// names it and the document `name`.
Result<GenerationDefaults> read_generation_defaults(JsonValue object, const std::string& name);

}  // namespace rotor
