// SPDX-License-Identifier: Apache-2.0
// rotor doctor: what this machine is and whether the kernels compute correctly on it.
#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <memory>

#include "base/cpu_features.h"
#include "base/thread_pool.h"
#include "commands.h"
#include "exit_code.h"
#include "kernels/format_probe.h"
#include "kernels/self_test.h"
#include "machine.h"
#include "model_options.h"
#include "output.h"
#include "read_bandwidth.h"
#include "terminal.h"

namespace rotor::cli {
namespace {

constexpr IsaLevel kLevels[] = {IsaLevel::kScalar,     IsaLevel::kAvx2,       IsaLevel::kAvxVnni,
                                IsaLevel::kAvx512Vnni, IsaLevel::kAvx512Vbmi, IsaLevel::kAmx,
                                IsaLevel::kNeon,       IsaLevel::kDotprod,    IsaLevel::kI8mm};

struct Checkup {
  std::string cpu;
  std::string kernel;
  std::string isa;
  size_t threads = 0;
  uint64_t memory_bytes = 0;
  std::string huge_pages;
  double read_bytes_per_second = 0.0;
  std::vector<FormatTime> formats;  // empty at kScalar, which has no kernels to compare
  std::string shipped_model;
  std::vector<std::pair<std::string, Status>> levels;  // self-test of each level the CPU has
};

Result<Checkup> examine() {
  Checkup c;
  c.cpu = cpu_features().model;
  utsname system{};
  uname(&system);
  c.kernel = fmt::format("{} {} {}", system.sysname, system.release, system.machine);
  ROTOR_ASSIGN(const IsaLevel isa, selected_isa());
  c.isa = isa_name(isa);
  c.threads = default_thread_count();
  c.memory_bytes =
      static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  c.huge_pages = first_line("/sys/kernel/mm/transparent_hugepage/enabled");
  ROTOR_ASSIGN(c.read_bytes_per_second, measure_read_bandwidth(c.threads, 3));
  ThreadPool pool(c.threads);
  ROTOR_ASSIGN(c.formats, time_formats(kernel_table(isa), pool));
  const Result<std::string> shipped = resolve_model("");
  c.shipped_model = shipped.ok() ? *shipped : "not found";
  for (const IsaLevel level : kLevels) {
    if (cpu_features().supports(level)) {
      c.levels.emplace_back(isa_name(level), self_test_kernels(level));
    }
  }
  return c;
}

void print(const Checkup& c, bool json) {
  if (json) {
    boost::json::object levels;
    for (const auto& [name, status] : c.levels) {
      levels[name] = status.ok() ? "ok" : status.message();
    }
    boost::json::array formats;
    for (const FormatTime& time : c.formats) {
      formats.push_back({{"weights", format_info(time.format).name},
                         {"one_vector_weights_per_second", kProbeWeights / time.one},
                         {"prompt_weights_per_second", kProbeWeights / time.many}});
    }
    const boost::json::object out = {{"version", ROTOR_VERSION},
                                     {"cpu", c.cpu},
                                     {"kernel", c.kernel},
                                     {"isa", c.isa},
                                     {"threads", c.threads},
                                     {"memory_bytes", c.memory_bytes},
                                     {"transparent_huge_pages", c.huge_pages},
                                     {"read_gb_per_second", c.read_bytes_per_second / 1e9},
                                     {"weights", format_info(fastest_format(c.formats)).name},
                                     {"weights_measured", std::move(formats)},
                                     {"shipped_model", c.shipped_model},
                                     {"kernel_self_test", std::move(levels)}};
    write_json(out);
    return;
  }
  fmt::print("rotor         {}\ncpu           {}\nsystem        {}\n", ROTOR_VERSION, c.cpu,
             c.kernel);
  fmt::print("level         {} (ROTOR_ISA lowers it)\nthreads       {}\n", c.isa, c.threads);
  fmt::print("memory        {}, readable at {:.1f} GB/s\n", format_bytes(c.memory_bytes),
             c.read_bytes_per_second / 1e9);
  fmt::print("huge pages    {}\nmodel         {}\n", c.huge_pages, c.shipped_model);
  for (const FormatTime& time : c.formats) {
    fmt::print("weights       {:12} {:.0f} billion a second for one vector, {:.0f} for a prompt{}\n",
               format_info(time.format).name, kProbeWeights / time.one / 1e9,
               kProbeWeights / time.many / 1e9,
               time.format == fastest_format(c.formats) ? "; chosen for large models" : "");
  }
  for (const auto& [name, status] : c.levels) {
    fmt::print("kernels       {:12} {}\n", name, status.ok() ? "ok" : status.message());
  }
}

}  // namespace

void add_doctor_command(CLI::App& app, int& exit_code) {
  auto json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("doctor", "examine this machine and test the kernels on it");
  command->add_flag("--json", *json, "print the findings as JSON");
  command->footer("Example:\n  rotor doctor");
  command->callback([json, &exit_code] {
    const Result<Checkup> result = examine();
    if (!result.ok()) {
      exit_code = fail(result.status());
      return;
    }
    print(*result, *json);
    exit_code = kExitOk;
    for (const auto& [name, status] : result->levels) {
      if (!status.ok()) {
        exit_code = kExitVerification;
      }
    }
  });
}

}  // namespace rotor::cli
