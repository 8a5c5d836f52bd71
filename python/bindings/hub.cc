// SPDX-License-Identifier: Apache-2.0
#include "hub.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "errors.h"
#include "hub/hub_aliases.h"
#include "hub/hub_inventory.h"
#include "hub/hub_model.h"
#include "shared_model.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace rotor::python {
namespace {

// What the downloading thread last said; the thread that waits tells Python. The end, which comes
// without a file, is that all bytes have come.
class LastProgress {
 public:
  void set(std::string_view file, uint64_t done, uint64_t total) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!file.empty()) {
      seen_ = last_ = Step{std::string(file), done, total};
    } else if (seen_) {
      last_ = Step{seen_->file, seen_->done, seen_->done};
    }
  }
  // Calls `report(file, done, total)` if there is news. The caller holds the interpreter lock.
  void tell(const nb::object& report) {
    std::optional<Step> step;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      step.swap(last_);
    }
    if (step) {
      report(step->file, step->done, step->total);
    }
  }

 private:
  struct Step {
    std::string file;
    uint64_t done;
    uint64_t total;
  };
  std::mutex mutex_;
  std::optional<Step> seen_;
  std::optional<Step> last_;
};

Result<HubSettings> settings_of(const std::optional<std::string>& cache, bool local,
                                const std::optional<std::string>& token) {
  ROTOR_ASSIGN(HubSettings settings, hub_settings());
  settings.user_agent = "rotor/" ROTOR_VERSION;
  settings.cache = cache.value_or(settings.cache);
  settings.token = token.value_or(settings.token);
  settings.offline = settings.offline || local;
  return settings;
}

// The name, with the revision that was given beside it.
Result<HubName> name_of(const std::string& given, const std::optional<std::string>& revision,
                        const HubSettings& settings) {
  ROTOR_ASSIGN(const HubName name, hub_name_of(given, settings));
  if (!revision || (!revision->empty() && *revision == name.revision)) {
    return name;
  }
  if (!name.revision.empty()) {
    return invalid_argument("revision: '" + *revision + "' beside the name " + name.text());
  }
  const HubName wanted{name.repo, *revision, name.file};
  const Result<HubName> checked = parse_hub_name(wanted.text(), settings.endpoint);
  if (revision->empty() || !checked.ok() || !(*checked == wanted)) {
    return invalid_argument("revision: expected a branch, a tag or a commit, got '" + *revision + "'");
  }
  return wanted;
}

// The path of the model; kNotFound where `local` looks at the cache alone and it is not there.
std::string fetch_model(const std::string& given, const std::optional<std::string>& revision,
                        const std::optional<std::string>& cache, bool local,
                        const std::optional<std::string>& token, const nb::object& progress) {
  const HubSettings settings = value_of(settings_of(cache, local, token));
  const HubName name = value_of(name_of(given, revision, settings));
  if (const auto found = find_cached_model(HubCache(settings.cache), name, settings.offline)) {
    return found->path;
  }
  if (local) {
    check(not_found(name.text() + ": not in the cache " + settings.cache));
  }
  LastProgress last;
  CancelFlag cancel;
  PullOptions options;
  options.cancel = &cancel;
  options.progress = [&](std::string_view file, uint64_t done, uint64_t total) {
    last.set(file, done, total);
  };
  const auto work = [&]() -> Result<std::string> {
    try {
      return hub_model_path(name, settings, options);
    } catch (const std::exception& error) {
      return internal_error(name.text() + ": " + error.what());
    }
  };
  return value_of(run_interruptibly<Result<std::string>>(
      work, [&] { cancel.cancel(); },
      [&] {
        if (!progress.is_none()) {
          last.tell(progress);
        }
      }));
}

}  // namespace

void bind_hub(nb::module_& module) {
  module.def("means_hub_model", &means_hub_model, "model"_a);
  module.def("fetch_model", &fetch_model, "name"_a, nb::kw_only(), "revision"_a = nb::none(),
             "cache_dir"_a = nb::none(), "local_files_only"_a = false, "token"_a = nb::none(),
             "progress"_a = nb::none(),
             nb::sig("def fetch_model(name: str, *, revision: str | None = None, cache_dir: str | None "
                     "= None, local_files_only: bool = False, token: str | None = None, progress: "
                     "collections.abc.Callable[[str, int, int], object] | None = None) -> str"));
}

}  // namespace rotor::python
