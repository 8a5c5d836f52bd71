// SPDX-License-Identifier: Apache-2.0
// The least of OpenCL that the comparison needs: one device, one program, buffers, kernel calls. Any
// failure ends the program with a message.
#pragma once

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include <cstddef>
#include <string>
#include <vector>

namespace rotor::numerics {

class OpenClDevice {
 public:
  // The first device of any kind, and the program in the file `source`.
  explicit OpenClDevice(const std::string& source);
  ~OpenClDevice();
  OpenClDevice(const OpenClDevice&) = delete;
  OpenClDevice& operator=(const OpenClDevice&) = delete;

  const std::string& name() const { return name_; }

  // A buffer that lives as long as the device.
  cl_mem upload(const void* data, size_t bytes);
  template <typename T>
  cl_mem upload(const std::vector<T>& values) {
    return upload(values.data(), values.size() * sizeof(T));
  }
  std::vector<float> download(cl_mem buffer, size_t count);

  template <typename... Arguments>
  void run(const char* kernel_name, size_t items, size_t group, const Arguments&... arguments) {
    cl_kernel kernel = make_kernel(kernel_name);
    cl_uint index = 0;
    (set_argument(kernel, index++, sizeof(arguments), &arguments), ...);
    launch(kernel, items, group);
  }

 private:
  cl_kernel make_kernel(const char* kernel_name);
  void set_argument(cl_kernel kernel, cl_uint index, size_t size, const void* value);
  void launch(cl_kernel kernel, size_t items, size_t group);  // and wait, and release

  std::string name_;
  cl_context context_ = nullptr;
  cl_command_queue queue_ = nullptr;
  cl_program program_ = nullptr;
  std::vector<cl_mem> buffers_;
};

}  // namespace rotor::numerics
