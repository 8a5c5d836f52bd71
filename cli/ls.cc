// SPDX-License-Identifier: Apache-2.0
// rotor ls: the models of the cache that rotor can open.
#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <boost/json.hpp>
#include <memory>
#include <vector>

#include "commands.h"
#include "exit_code.h"
#include "hub/hub_inventory.h"
#include "hub_model.h"
#include "model/model_source.h"
#include "output.h"
#include "terminal.h"

namespace rotor::cli {
namespace {

struct ListCommand {
  bool all = false;
  bool json = false;
};

// A model of the cache, opened as far as its tensors are found.
struct Row {
  CachedModel model;
  std::string container;     // empty: cannot be opened
  std::string architecture;
  std::string error;         // why not
};

Row examine(CachedModel model) {
  Row row;
  const Result<ModelSource> source = open_model_source(model.path, {});
  row.model = std::move(model);
  if (source.ok()) {
    row.container = source->container;
    row.architecture = source->config.family;
  } else {
    row.error = source.status().message();
  }
  return row;
}

void print_json(const std::vector<Row>& rows) {
  boost::json::array out;
  for (const Row& row : rows) {
    boost::json::object fields = {{"name", row.model.name.text()},
                                  {"repo", row.model.name.repo},
                                  {"refs", boost::json::value_from(row.model.refs)},
                                  {"commit", row.model.commit},
                                  {"bytes", row.model.bytes},
                                  {"container", row.container},
                                  {"architecture", row.architecture},
                                  {"path", row.model.path}};
    if (!row.error.empty()) {
      fields["error"] = row.error;
    }
    out.push_back(std::move(fields));
  }
  write_json(out);
}

void print_text(const std::vector<Row>& rows) {
  size_t width = 0;
  for (const Row& row : rows) {
    width = std::max(width, row.model.name.text().size());
  }
  for (const Row& row : rows) {
    fmt::print("{:{}}  {:.7}  {:>8}  {}\n", row.model.name.text(), width, row.model.commit,
               format_bytes(row.model.bytes),
               row.error.empty() ? row.container + ", " + row.architecture
                                 : "cannot be opened: " + row.error);
  }
}

Status run_list(const ListCommand& command) {
  ROTOR_ASSIGN(const HubSettings settings, program_hub_settings());
  std::vector<Row> rows;
  size_t left_out = 0;
  for (CachedModel& model : list_cached_models(HubCache(settings.cache))) {
    Row row = examine(std::move(model));
    if (row.error.empty() || command.all) {
      rows.push_back(std::move(row));
    } else {
      ++left_out;
    }
  }
  if (command.json) {
    print_json(rows);
    return {};
  }
  print_text(rows);
  if (left_out > 0) {
    fmt::print(stderr, "rotor: {} more that rotor does not open; --all shows why\n", left_out);
  } else if (rows.empty()) {
    fmt::print(stderr, "rotor: no model in {}; rotor pull downloads one\n", settings.cache);
  }
  return {};
}

}  // namespace

void add_ls_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<ListCommand>();
  CLI::App* command = app.add_subcommand("ls", "list the downloaded models that rotor can open");
  command->add_flag("--all", options->all, "also those that it cannot, and why");
  command->add_flag("--json", options->json, "print the list as JSON");
  command->footer(
      "Each line: a name that works as MODEL, the commit, the bytes, what it is.\n"
      "Example:\n  rotor ls --all");
  command->callback([options, &exit_code] {
    const Status status = run_list(*options);
    exit_code = status.ok() ? kExitOk : fail(status);
  });
}

}  // namespace rotor::cli
