// SPDX-License-Identifier: Apache-2.0
// Fetches a model into the cache: asks what a revision is, chooses the files, and brings each whole and
// checked, or not at all.
#pragma once

#include <rotor/status.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/progress.h"
#include "hub/hub_client.h"
#include "hub/hub_name.h"
#include "hub/hub_settings.h"

namespace rotor {

struct PulledFile {
  std::string name;
  uint64_t bytes = 0;
  bool downloaded = false;  // false: it was in the cache
};

struct PulledModel {
  std::string commit;
  std::string path;  // what open_model_source() takes
  std::vector<PulledFile> files;
};

struct PullOptions {
  ProgressCallback progress;           // bytes of all files; may be empty
  const CancelFlag* cancel = nullptr;
  HubNote note;                        // what the user should know meanwhile; may be empty
};

// After a failure or an interruption the part that was received stays in the cache; the next call goes
// on from there. kNotFound, kUnsupported, kInvalidArgument: nothing like it to open; kNetworkError;
// kVerificationFailed: the content is not what the hub says it is; kIoError: the cache cannot be
// written; kCancelled.
Result<PulledModel> pull_model(const HubName& name, const HubSettings& settings,
                               const PullOptions& options);

}  // namespace rotor
