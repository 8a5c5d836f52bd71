// SPDX-License-Identifier: Apache-2.0
#include "hub_model.h"

#include <fmt/core.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>

#include "hub/hub_inventory.h"
#include "terminal.h"

namespace rotor::cli {
namespace {

namespace fs = std::filesystem;

// "model.safetensors  417 MB of 1.18 GB, 23.1 MB/s" in front of the bar. The rate is that of the bytes
// that came since the program started to look.
ProgressCallback download_bar(bool quiet) {
  const ProgressCallback bar = progress_bar(quiet);
  if (!bar) {
    return {};
  }
  using Clock = std::chrono::steady_clock;
  struct Start {
    Clock::time_point time;
    uint64_t bytes;
  };
  const auto start = std::make_shared<std::optional<Start>>();
  return [bar, start](std::string_view file, uint64_t done, uint64_t total) {
    if (!*start) {
      *start = Start{Clock::now(), done};
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - (*start)->time).count();
    const double rate = static_cast<double>(done - (*start)->bytes) / std::max(seconds, 0.1);
    const fs::path path(file);
    bar(fmt::format("{:24.24} {:>8} of {:>8} {:>8}/s", path.filename().string(), format_bytes(done),
                    format_bytes(total), format_bytes(static_cast<uint64_t>(rate))),
        done, total);
  };
}

}  // namespace

Result<HubSettings> program_hub_settings() {
  ROTOR_ASSIGN(HubSettings settings, hub_settings());
  settings.user_agent = "rotor/" ROTOR_VERSION;
  return settings;
}

Result<PulledModel> pull(const HubName& name, const HubSettings& settings, bool quiet) {
  PullOptions options;
  options.progress = download_bar(quiet);
  options.cancel = &interrupt_flag();  // whatever else ends the process leaves a part to go on with
  if (!quiet) {
    options.note = [](const std::string& text) { fmt::print(stderr, "rotor: {}\n", text); };
  }
  if (!quiet && !options.progress && !settings.offline) {
    fmt::print(stderr, "rotor: downloading {} from {} to {}\n", name.text(), settings.endpoint,
               settings.cache);
  }
  Result<PulledModel> pulled = pull_hub_model(name, settings, options);
  if (!pulled.ok() && options.progress) {
    fmt::print(stderr, "\r\x1b[K");
  }
  return pulled;
}

Result<std::string> model_of_the_hub(const std::string& given, bool quiet) {
  ROTOR_ASSIGN(const HubSettings settings, program_hub_settings());
  ROTOR_ASSIGN(const HubName name, hub_name_of(given, settings));
  if (const auto cached = find_cached_model(HubCache(settings.cache), name, settings.offline)) {
    return cached->path;
  }
  ROTOR_ASSIGN(const PulledModel pulled, pull(name, settings, quiet));
  return pulled.path;
}

}  // namespace rotor::cli
