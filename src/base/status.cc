// SPDX-License-Identifier: Apache-2.0
// Names of the error codes and the small factories of Status.
#include <rotor/status.h>

namespace rotor {

std::string_view code_name(Code code) {
  switch (code) {
    case Code::kOk: return "ok";
    case Code::kInvalidArgument: return "invalid argument";
    case Code::kNotFound: return "not found";
    case Code::kIoError: return "input/output error";
    case Code::kFormatError: return "format error";
    case Code::kUnsupported: return "unsupported";
    case Code::kOutOfMemory: return "out of memory";
    case Code::kOutOfPages: return "out of pages";
    case Code::kNetworkError: return "network error";
    case Code::kVerificationFailed: return "verification failed";
    case Code::kCancelled: return "cancelled";
    case Code::kNotFinite: return "not finite";
    case Code::kInternal: return "internal error";
  }
  return "unknown";
}

Status Status::with_context(std::string_view context) && {
  if (!ok()) {
    message_ = std::string(context) + ": " + message_;
  }
  return std::move(*this);
}

Status invalid_argument(std::string message) {
  return Status(Code::kInvalidArgument, std::move(message));
}
Status not_found(std::string message) { return Status(Code::kNotFound, std::move(message)); }
Status io_error(std::string message) { return Status(Code::kIoError, std::move(message)); }
Status format_error(std::string message) { return Status(Code::kFormatError, std::move(message)); }
Status unsupported(std::string message) { return Status(Code::kUnsupported, std::move(message)); }
Status out_of_memory(std::string message) { return Status(Code::kOutOfMemory, std::move(message)); }
Status internal_error(std::string message) { return Status(Code::kInternal, std::move(message)); }

}  // namespace rotor
