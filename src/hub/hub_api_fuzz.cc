// SPDX-License-Identifier: Apache-2.0
// Fuzz target: any text as what the hub says of a revision, and the choice among its files.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "hub/hub_api.h"
#include "hub/hub_files.h"
#include "hub/hub_name.h"

namespace {

void check(const rotor::HubModelInfo& info, const std::string& wanted) {
  const auto choice = rotor::choose_hub_files(info.files, wanted);
  if (!choice.ok()) {
    if (choice.status().message().empty()) {
      __builtin_trap();
    }
    return;
  }
  for (const std::string& file : choice->files) {
    if (std::find(info.files.begin(), info.files.end(), file) == info.files.end()) {
      __builtin_trap();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto info =
      rotor::parse_model_info({reinterpret_cast<const char*>(data), size}, "input");
  if (!info.ok()) {
    return 0;
  }
  if (!rotor::is_hub_commit(info->commit)) {
    __builtin_trap();
  }
  check(*info, "");
  check(*info, "Q2_0");
  for (size_t i = 0; i < std::min<size_t>(info->files.size(), 8); ++i) {
    check(*info, info->files[i]);
  }
  (void)rotor::hub_models_among(info->files);
  return 0;
}
