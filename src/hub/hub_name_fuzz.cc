// SPDX-License-Identifier: Apache-2.0
// Fuzz target: any text as the name of a model. What is accepted must be safe as parts of paths, and
// its short form must mean the same.
#include <cstddef>
#include <cstdint>

#include "hub/hub_name.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rotor;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)is_hub_name(text);
  const Result<HubName> name = parse_hub_name(text, "https://mirror.example:8443");
  if (!name.ok()) {
    return 0;
  }
  const bool safe = is_hub_repo(name->repo) &&
                    (name->revision.empty() || is_safe_hub_path(name->revision)) &&
                    (name->file.empty() || is_safe_hub_path(name->file));
  if (!safe) {
    __builtin_trap();
  }
  // A revision with a colon, which git allows nowhere, has no short form.
  if (name->revision.find(':') == std::string::npos) {
    const Result<HubName> again = parse_hub_name(name->text());
    if (name->text().size() <= 2000 && (!again.ok() || !(*again == *name))) {
      __builtin_trap();
    }
  }
  return 0;
}
