// SPDX-License-Identifier: Apache-2.0
// rotor pull: downloads a model of the Hugging Face hub, or brings it up to date.
#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <boost/json.hpp>
#include <memory>

#include "commands.h"
#include "exit_code.h"
#include "hub/hub_aliases.h"
#include "hub/hub_inventory.h"
#include "hub_model.h"
#include "output.h"
#include "terminal.h"

namespace rotor::cli {
namespace {

struct PullCommand {
  std::string name;
  bool list = false;
  bool json = false;
  bool quiet = false;
};

void list_aliases(bool json) {
  boost::json::array all;
  for (const HubAlias& alias : hub_aliases()) {
    if (json) {
      all.push_back({{"alias", alias.alias}, {"name", alias.name}, {"about", alias.about}});
    } else {
      fmt::print("{:22} {:40} {}\n", alias.alias, alias.name, alias.about);
    }
  }
  if (json) {
    write_json(all);
  }
}

void print_json(const HubName& name, const PulledModel& model) {
  boost::json::array files;
  uint64_t bytes = 0;
  uint64_t downloaded = 0;
  for (const PulledFile& file : model.files) {
    files.push_back(
        {{"name", file.name}, {"bytes", file.bytes}, {"downloaded", file.downloaded}});
    bytes += file.bytes;
    downloaded += file.downloaded ? file.bytes : 0;
  }
  const boost::json::object out = {
      {"name", name.text()},       {"repo", name.repo},
      {"revision", name.revision.empty() ? std::string(kMainRevision) : name.revision},
      {"commit", model.commit},    {"path", model.path},
      {"bytes", bytes},            {"downloaded_bytes", downloaded},
      {"files", std::move(files)}};
  write_json(out);
}

// With HF_HUB_OFFLINE: what the cache has.
Result<PulledModel> cached(const HubName& name, const HubSettings& settings) {
  const HubCache cache(settings.cache);
  const auto model = find_cached_model(cache, name, true);
  if (!model) {
    return pull(name, settings, true);  // says why not
  }
  return PulledModel{model->commit, model->path, {}};
}

Status run_pull(const PullCommand& command) {
  if (command.list) {
    list_aliases(command.json);
    return {};
  }
  if (command.name.empty()) {
    return invalid_argument("name a model: org/name, or one that rotor pull --list shows");
  }
  ROTOR_ASSIGN(const HubSettings settings, program_hub_settings());
  ROTOR_ASSIGN(const HubName name, hub_name_of(command.name, settings));
  ROTOR_ASSIGN(const PulledModel model, settings.offline ? cached(name, settings)
                                                         : pull(name, settings, command.quiet));
  if (command.json) {
    print_json(name, model);
  } else {
    fmt::print("{}\n", model.path);
  }
  return {};
}

}  // namespace

void add_pull_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<PullCommand>();
  CLI::App* command = app.add_subcommand("pull", "download a model from the Hugging Face hub");
  command->add_option("NAME", options->name,
                      "org/name[@revision][:file], hf://org/name, the address of a model's web page, "
                      "or an alias; file may be a quantisation (Q2_0)");
  command->add_flag("--list", options->list, "show the aliases of well-known models");
  command->add_flag("--json", options->json, "print the result as JSON");
  command->add_flag("-q,--quiet", options->quiet, "no progress bar, no notes");
  command->footer(
      "Prints the path of the model. The files go to the cache that the tools of Hugging Face share\n"
      "(HF_HUB_CACHE, HF_HOME); HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE and HTTPS_PROXY are followed.\n"
      "Example:\n"
      "  rotor pull --list\n"
      "  rotor pull ORG/NAME@REVISION:FILE\n"
      "Exit code 5: the network or the access failed; 6: the content is not what the hub says.");
  command->callback([options, &exit_code] {
    const Status status = run_pull(*options);
    exit_code = status.ok() ? kExitOk : fail(status);
  });
}

}  // namespace rotor::cli
