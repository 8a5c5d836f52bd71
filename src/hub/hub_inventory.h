// SPDX-License-Identifier: Apache-2.0
// What the cache holds: models by their names, and what their removal would free.
#pragma once

#include <rotor/status.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hub/hub_cache.h"
#include "hub/hub_name.h"

namespace rotor {

struct CachedModel {
  HubName name;                   // finds this model again
  std::string commit;
  std::vector<std::string> refs;  // branches and tags that mean the commit
  std::string path;               // what open_model_source() takes
  uint64_t bytes = 0;             // of the files that make it
};

// The model of that name, if all of it is here. A folder without a tokenizer counts only when nobody
// can be asked for the rest: with `offline`. Looks at the disk alone.
std::optional<CachedModel> find_cached_model(const HubCache& cache, const HubName& name, bool offline);

// Every model that is here whole, sorted by repository and commit. Whether Rotor can open it is not
// looked at.
std::vector<CachedModel> list_cached_models(const HubCache& cache);

// What a removal takes away.
struct HubRemoval {
  std::string repo;
  std::vector<std::string> snapshots;  // commits that vanish
  std::vector<std::string> paths;      // of snapshot files, refs and blobs, in the order of removal
  std::vector<std::string> folders;    // emptied by it, innermost first; or whole ones, see below
  bool whole_repo = false;             // `folders` go with all that is in them
  uint64_t freed_bytes = 0;
};

// Plans the removal of a name: of a repository without revision and file all there is, else the files
// of that revision and the blobs that no other snapshot shows. kNotFound when there is nothing.
Result<HubRemoval> plan_removal(const HubCache& cache, const HubName& name);

// kIoError names the first path that stays.
Status remove_cached(const HubRemoval& removal);

}  // namespace rotor
