// SPDX-License-Identifier: Apache-2.0
#include "errors.h"

namespace nb = nanobind;

namespace rotor::python {
namespace {

// Classes of rotor/errors.py. They live as long as the process.
PyObject* format_class = nullptr;
PyObject* unsupported_class = nullptr;
PyObject* verification_class = nullptr;
PyObject* cancelled_class = nullptr;

PyObject* class_of(Code code) {
  switch (code) {
    case Code::kInvalidArgument: return PyExc_ValueError;
    case Code::kNotFound: return PyExc_FileNotFoundError;
    case Code::kIoError: return PyExc_OSError;
    case Code::kFormatError: return format_class;
    case Code::kUnsupported: return unsupported_class;
    case Code::kOutOfMemory:
    case Code::kOutOfPages: return PyExc_MemoryError;
    case Code::kNetworkError: return PyExc_ConnectionError;
    case Code::kVerificationFailed: return verification_class;
    case Code::kCancelled: return cancelled_class;
    case Code::kNotFinite: return PyExc_FloatingPointError;
    case Code::kOk:
    case Code::kInternal: break;
  }
  return PyExc_RuntimeError;
}

}  // namespace

void bind_errors() {
  const nb::module_ errors = nb::module_::import_("rotor.errors");
  const auto class_named = [&](const char* name) { return nb::object(errors.attr(name)).release().ptr(); };
  format_class = class_named("FormatError");
  unsupported_class = class_named("UnsupportedError");
  verification_class = class_named("VerificationError");
  cancelled_class = class_named("CancelledError");
  nb::register_exception_translator([](const std::exception_ptr& pointer, void*) {
    try {
      std::rethrow_exception(pointer);
    } catch (const StatusError& error) {
      PyErr_SetString(class_of(error.code()), error.what());
    }
  });
}

}  // namespace rotor::python
