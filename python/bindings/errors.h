// SPDX-License-Identifier: Apache-2.0
// Status as Python exceptions.
#pragma once

#include <nanobind/nanobind.h>
#include <rotor/status.h>

#include <exception>
#include <string>
#include <utility>

namespace rotor::python {

// Translates StatusError to the exception class of its code, from then on.
void bind_errors();

// A Status on its way to Python.
class StatusError : public std::exception {
 public:
  explicit StatusError(Status status) : status_(std::move(status)) {}
  const char* what() const noexcept override { return status_.message().c_str(); }
  Code code() const { return status_.code(); }

 private:
  Status status_;
};

// Throws StatusError for a failure.
inline void check(Status status) {
  if (!status.ok()) {
    throw StatusError(std::move(status));
  }
}

template <typename T>
T value_of(Result<T> result) {
  check(result.status());
  return *std::move(result);
}

}  // namespace rotor::python
