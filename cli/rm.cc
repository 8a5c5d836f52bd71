// SPDX-License-Identifier: Apache-2.0
// rotor rm: removes a downloaded model from the cache.
#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <iostream>
#include <memory>
#include <string>

#include "commands.h"
#include "exit_code.h"
#include "hub/hub_inventory.h"
#include "hub_model.h"
#include "output.h"
#include "terminal.h"

namespace rotor::cli {
namespace {

struct RemoveCommand {
  std::string name;
  bool yes = false;
  bool json = false;
};

std::string description(const HubName& name, const HubRemoval& removal) {
  const std::string what = removal.whole_repo
                               ? fmt::format("all of {}, {} revision{}", name.text(),
                                             removal.snapshots.size(),
                                             removal.snapshots.size() == 1 ? "" : "s")
                               : name.text();
  return fmt::format("{}; frees {}", what, format_bytes(removal.freed_bytes));
}

// A person at a terminal is asked; a script says --yes.
Result<bool> confirmed(const RemoveCommand& command, const std::string& what) {
  if (command.yes) {
    return true;
  }
  if (isatty(STDIN_FILENO) != 1 || !stderr_is_terminal()) {
    return invalid_argument("would remove " + what + "; say --yes");
  }
  fmt::print(stderr, "remove {}? [y/N] ", what);
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

Result<int> run_remove(const RemoveCommand& command) {
  ROTOR_ASSIGN(const HubSettings settings, program_hub_settings());
  ROTOR_ASSIGN(const HubName name, hub_name_of(command.name, settings));
  const HubCache cache(settings.cache);
  ROTOR_ASSIGN(const HubRemoval removal, plan_removal(cache, name));
  ROTOR_ASSIGN(const bool go, confirmed(command, description(name, removal)));
  if (!go) {
    fmt::print(stderr, "rotor: nothing was removed\n");
    return kExitRunTime;
  }
  ROTOR_TRY(remove_cached(removal));
  if (command.json) {
    const boost::json::object out = {{"name", name.text()},
                                     {"snapshots", boost::json::value_from(removal.snapshots)},
                                     {"freed_bytes", removal.freed_bytes}};
    write_json(out);
  } else {
    fmt::print("removed {}\n", description(name, removal));
  }
  return kExitOk;
}

}  // namespace

void add_rm_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<RemoveCommand>();
  CLI::App* command = app.add_subcommand("rm", "remove a downloaded model");
  command
      ->add_option("NAME", options->name,
                   "as rotor ls shows it: org/name removes all of it, @revision or :file that part")
      ->required();
  command->add_flag("-y,--yes", options->yes, "do not ask");
  command->add_flag("--json", options->json, "print what was removed as JSON");
  command->footer(
      "Content that another revision shows stays.\n"
      "Example:\n  rotor rm ORG/NAME@REVISION");
  command->callback([options, &exit_code] {
    const Result<int> result = run_remove(*options);
    exit_code = result.ok() ? *result : fail(result.status());
  });
}

}  // namespace rotor::cli
