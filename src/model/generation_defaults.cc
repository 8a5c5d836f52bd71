// SPDX-License-Identifier: Apache-2.0
#include "model/generation_defaults.h"

#include <cstdint>

#include "base/json.h"

namespace rotor {

void set_generation_defaults(std::optional<double> temperature, std::optional<double> top_p,
                             std::optional<int64_t> top_k, GenerationDefaults& out) {
  if (temperature && *temperature >= 0.0 && *temperature <= 100.0) {
    out.temperature = static_cast<float>(*temperature);
  }
  if (top_p && *top_p > 0.0 && *top_p <= 1.0) {
    out.top_p = static_cast<float>(*top_p);
  }
  if (top_k && *top_k >= 0 && *top_k <= INT32_MAX) {
    out.top_k = static_cast<int>(*top_k);
  }
}

Result<GenerationDefaults> read_generation_defaults(JsonValue object, const std::string& name) {
  GenerationDefaults defaults;
  ROTOR_ASSIGN(const std::optional<double> temperature, json_number(object, "temperature", name));
  ROTOR_ASSIGN(const std::optional<double> top_p, json_number(object, "top_p", name));
  ROTOR_ASSIGN(const std::optional<int64_t> top_k, json_integer(object, "top_k", name));
  ROTOR_ASSIGN(defaults.do_sample, json_bool(object, "do_sample", name));
  set_generation_defaults(temperature, top_p, top_k, defaults);
  return defaults;
}

}  // namespace rotor
