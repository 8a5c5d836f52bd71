// SPDX-License-Identifier: Apache-2.0
// Status and Result<T>: how Rotor reports errors. No exception crosses the public API and the
// library never prints; a message says what failed, where (file, tensor, byte offset), what was
// expected and what was found. Values: cheap to move, safe to share between threads.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace rotor {

// Why an operation failed. The command-line program maps these to its exit codes.
enum class Code {
  kOk = 0,
  kInvalidArgument,      // the caller's options or sizes make no sense
  kNotFound,             // no such file or name
  kIoError,              // the operating system refused or failed
  kFormatError,          // a file contradicts its format, or itself
  kUnsupported,          // well-formed, but Rotor does not do this
  kOutOfMemory,          // would not fit
  kOutOfPages,           // the KV pool has no free page
  kNetworkError,         // a download failed
  kVerificationFailed,   // a checksum disagrees
  kCancelled,            // the caller asked to stop
  kNotFinite,            // an activation became infinite or NaN
  kInternal,             // a bug in Rotor
};

// Short stable name of a code, such as "format error".
std::string_view code_name(Code code);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  static Status ok_status() { return Status(); }
  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }

  // Prepends "context: " to the message of a failure; leaves success alone.
  Status with_context(std::string_view context) &&;

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

Status invalid_argument(std::string message);
Status not_found(std::string message);
Status io_error(std::string message);
Status format_error(std::string message);
Status unsupported(std::string message);
Status out_of_memory(std::string message);
Status internal_error(std::string message);

// A value, or the Status that says why there is none. The spelling is a subset of std::expected.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}  // NOLINT: implicit on purpose
  Result(Status status) : status_(std::move(status)) {}  // NOLINT: implicit on purpose

  bool ok() const { return value_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Status& status() const { return status_; }

  // REQUIRES: ok().
  T& value() & { return *value_; }
  const T& value() const& { return *value_; }
  T&& value() && { return *std::move(value_); }
  T& operator*() & { return *value_; }
  const T& operator*() const& { return *value_; }
  T&& operator*() && { return *std::move(value_); }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  std::optional<T> value_;
  Status status_;
};

// Returns from the enclosing function when `expression` (a Status) failed.
#define ROTOR_TRY(expression)                        \
  do {                                               \
    ::rotor::Status rotor_status_ = (expression);    \
    if (!rotor_status_.ok()) return rotor_status_;   \
  } while (false)

#define ROTOR_CONCAT_INNER(a, b) a##b
#define ROTOR_CONCAT(a, b) ROTOR_CONCAT_INNER(a, b)

// Declares `variable` from a Result, or returns its Status from the enclosing function.
#define ROTOR_ASSIGN(variable, expression)                                         \
  auto ROTOR_CONCAT(rotor_result_, __LINE__) = (expression);                       \
  if (!ROTOR_CONCAT(rotor_result_, __LINE__).ok()) {                               \
    return ROTOR_CONCAT(rotor_result_, __LINE__).status();                         \
  }                                                                                \
  variable = *std::move(ROTOR_CONCAT(rotor_result_, __LINE__))

}  // namespace rotor
