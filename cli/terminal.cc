// SPDX-License-Identifier: Apache-2.0
#include "terminal.h"

#include <fmt/core.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <mutex>

#include "exit_code.h"

namespace rotor::cli {
namespace {

constexpr size_t kBarWidth = 30;

struct BarState {
  std::mutex mutex;
  std::chrono::steady_clock::time_point last;
};

void on_interrupt(int) {
  if (interrupt_flag().cancelled()) {  // nobody answered the first one
    _exit(kExitInterrupted);
  }
  interrupt_flag().cancel();
}

void handle_interrupt(int number) {
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  sigaction(number, &action, nullptr);
}

}  // namespace

bool stderr_is_terminal() { return isatty(STDERR_FILENO) == 1; }

ProgressCallback progress_bar(bool quiet) {
  if (quiet || !stderr_is_terminal()) {
    return {};
  }
  auto state = std::make_shared<BarState>();
  return [state](std::string_view what, uint64_t done, uint64_t total) {
    const std::lock_guard<std::mutex> lock(state->mutex);
    const auto now = std::chrono::steady_clock::now();
    if (done < total && now - state->last < std::chrono::milliseconds(50)) {
      return;
    }
    state->last = now;
    if (done >= total) {
      fmt::print(stderr, "\r\x1b[K");
      return;
    }
    const size_t filled = static_cast<size_t>(static_cast<double>(done) / total * kBarWidth);
    fmt::print(stderr, "\r{}  [{}{}] {:3.0f} %", what, std::string(filled, '#'),
               std::string(kBarWidth - filled, ' '), 100.0 * static_cast<double>(done) / total);
    std::fflush(stderr);
  };
}

std::string format_bytes(uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "kB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000.0;
    ++unit;
  }
  const int digits = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f} {}", value, digits, kUnits[unit]);
}

uint64_t peak_resident_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

CancelFlag& interrupt_flag() {
  static CancelFlag flag;
  static const bool installed = [] {
    handle_interrupt(SIGINT);
    return true;
  }();
  (void)installed;
  return flag;
}

CancelFlag& termination_flag() {
  CancelFlag& flag = interrupt_flag();
  handle_interrupt(SIGTERM);
  return flag;
}

}  // namespace rotor::cli
