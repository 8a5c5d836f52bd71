// SPDX-License-Identifier: Apache-2.0
#include "exit_code.h"

#include <fmt/core.h>

#include <cstdio>

namespace rotor::cli {

int exit_code_of(const Status& status) {
  switch (status.code()) {
    case Code::kOk: return kExitOk;
    case Code::kInvalidArgument: return kExitUsage;
    case Code::kNotFound:
    case Code::kFormatError:
    case Code::kUnsupported: return kExitModel;
    case Code::kNotFinite:
    case Code::kIoError:
    case Code::kInternal: return kExitRunTime;
    case Code::kOutOfMemory:
    case Code::kOutOfPages: return kExitOutOfMemory;
    case Code::kNetworkError: return kExitNetwork;
    case Code::kVerificationFailed: return kExitVerification;
    case Code::kCancelled: return kExitInterrupted;
  }
  return kExitRunTime;
}

int fail(const Status& status) {
  fmt::print(stderr, "rotor: {}\n", status.message());
  return exit_code_of(status);
}

}  // namespace rotor::cli
