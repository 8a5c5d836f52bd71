// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/cpu_format.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "kernels/format_probe.h"

namespace rotor {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kLargestCache = uint64_t{64} << 10;  // bytes of the file
constexpr size_t kMostMachines = 100;

// The object that the file holds; empty when it holds none.
boost::json::object read_cache(const std::string& cache) {
  const Result<std::string> text = read_text_file(cache, kLargestCache);
  boost::system::error_code error;
  const boost::json::value value =
      text.ok() ? boost::json::parse(*text, error) : boost::json::value();
  return !error && value.is_object() ? value.get_object() : boost::json::object();
}

}  // namespace

TernaryFormat cpu_format(uint64_t i2_bytes, IsaLevel isa, ThreadPool& pool,
                         const std::string& cache) {
  if (i2_bytes < kBeyondCaches) {
    return TernaryFormat::kI2;
  }
  const KernelTable& kernels = kernel_table(isa);
  const std::vector<TernaryFormat> candidates = formats_with_kernels(kernels);
  if (candidates.size() < 2) {
    return TernaryFormat::kI2;
  }
  const std::string machine = machine_name(isa, pool.size(), candidates);
  const auto known = cached_format(cache, machine);
  if (known && std::count(candidates.begin(), candidates.end(), *known) != 0) {
    return *known;
  }
  const auto times = time_formats(kernels, pool);
  if (!times.ok()) {  // too little memory; the model will not fit either
    return TernaryFormat::kI2;
  }
  const TernaryFormat format = fastest_format(*times);
  cache_format(cache, machine, format);
  return format;
}

std::string machine_name(IsaLevel isa, size_t threads, std::span<const TernaryFormat> compared) {
  std::string name = std::string(cpu_features().model) + ", " + std::string(isa_name(isa)) + ", " +
                     std::to_string(threads) + " threads";
  for (const TernaryFormat format : compared) {
    name += ", " + std::string(format_info(format).name);
  }
  return name + ", rotor " ROTOR_VERSION;
}

std::string cpu_format_cache() {
  const char* given = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  if (given != nullptr && fs::path(given).is_absolute()) {
    return fs::path(given) / "rotor" / "formats.json";
  }
  if (home != nullptr && fs::path(home).is_absolute()) {
    return fs::path(home) / ".cache" / "rotor" / "formats.json";
  }
  return "";
}

std::optional<TernaryFormat> cached_format(const std::string& cache, const std::string& machine) {
  if (cache.empty()) {
    return std::nullopt;
  }
  const boost::json::object machines = read_cache(cache);
  const boost::json::value* name = machines.if_contains(machine);
  return name != nullptr && name->is_string() ? parse_format(name->get_string().c_str())
                                              : std::nullopt;
}

void cache_format(const std::string& cache, const std::string& machine, TernaryFormat format) {
  if (cache.empty()) {
    return;
  }
  boost::json::object machines = read_cache(cache);
  if (machines.size() >= kMostMachines) {
    machines.clear();
  }
  machines[machine] = format_info(format).name;
  const std::string text = boost::json::serialize(machines) + "\n";
  std::error_code error;
  fs::create_directories(fs::path(cache).parent_path(), error);
  Result<AtomicFile> file = AtomicFile::create(cache);
  if (file.ok() && file->write(std::as_bytes(std::span(text))).ok()) {
    (void)file->commit();  // what was not kept is measured again
  }
}

}  // namespace rotor
