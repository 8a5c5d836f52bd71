// SPDX-License-Identifier: Apache-2.0
// Calls of the OpenCL API, each checked.
#include "opencl_device.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace rotor::numerics {
namespace {

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "OpenCL: %s\n", what.c_str());
  std::exit(1);
}

void check(cl_int status, const char* call) {
  if (status != CL_SUCCESS) {
    fail(std::string(call) + " failed with status " + std::to_string(status));
  }
}

cl_device_id first_device() {
  cl_platform_id platforms[8];
  cl_uint count = 0;
  if (clGetPlatformIDs(8, platforms, &count) != CL_SUCCESS || count == 0) {
    fail("no platform (Debian: apt-get install pocl-opencl-icd)");
  }
  for (cl_uint i = 0; i < count; ++i) {
    cl_device_id device = nullptr;
    if (clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, 1, &device, nullptr) == CL_SUCCESS) {
      return device;
    }
  }
  fail("no device");
}

std::string device_name(cl_device_id device) {
  char text[256] = {};
  check(clGetDeviceInfo(device, CL_DEVICE_NAME, sizeof(text) - 1, text, nullptr), "clGetDeviceInfo");
  return text;
}

// What docs/numerics.md asks of a device. A GPU whose division is not correctly rounded would divide
// by own code.
void check_arithmetic(cl_device_id device) {
  cl_device_fp_config config = 0;
  check(clGetDeviceInfo(device, CL_DEVICE_SINGLE_FP_CONFIG, sizeof(config), &config, nullptr),
        "clGetDeviceInfo");
  if ((config & CL_FP_ROUND_TO_NEAREST) == 0 || (config & CL_FP_DENORM) == 0) {
    fail("the device does not round to nearest or does not keep subnormal numbers");
  }
}

cl_program build(cl_context context, cl_device_id device, const std::string& path) {
  std::ifstream file(path);
  std::stringstream content;
  content << file.rdbuf();
  const std::string source = content.str();
  if (source.empty()) {
    fail("cannot read " + path);
  }
  const char* text = source.c_str();
  cl_int status = 0;
  cl_program program = clCreateProgramWithSource(context, 1, &text, nullptr, &status);
  check(status, "clCreateProgramWithSource");
  status = clBuildProgram(program, 1, &device, "-cl-fp32-correctly-rounded-divide-sqrt", nullptr,
                          nullptr);
  if (status != CL_SUCCESS) {
    std::vector<char> log(65536, '\0');
    clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, log.size() - 1, log.data(),
                          nullptr);
    fail("building " + path + " failed:\n" + log.data());
  }
  return program;
}

}  // namespace

OpenClDevice::OpenClDevice(const std::string& source) {
  cl_device_id device = first_device();
  name_ = device_name(device);
  check_arithmetic(device);
  cl_int status = 0;
  context_ = clCreateContext(nullptr, 1, &device, nullptr, nullptr, &status);
  check(status, "clCreateContext");
  queue_ = clCreateCommandQueue(context_, device, 0, &status);
  check(status, "clCreateCommandQueue");
  program_ = build(context_, device, source);
}

OpenClDevice::~OpenClDevice() {
  for (cl_mem buffer : buffers_) {
    clReleaseMemObject(buffer);
  }
  clReleaseProgram(program_);
  clReleaseCommandQueue(queue_);
  clReleaseContext(context_);
}

cl_mem OpenClDevice::upload(const void* data, size_t bytes) {
  cl_int status = 0;
  cl_mem buffer = clCreateBuffer(context_, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, bytes,
                                 const_cast<void*>(data), &status);
  check(status, "clCreateBuffer");
  buffers_.push_back(buffer);
  return buffer;
}

std::vector<float> OpenClDevice::download(cl_mem buffer, size_t count) {
  std::vector<float> values(count);
  check(clEnqueueReadBuffer(queue_, buffer, CL_TRUE, 0, count * sizeof(float), values.data(), 0,
                            nullptr, nullptr),
        "clEnqueueReadBuffer");
  return values;
}

cl_kernel OpenClDevice::make_kernel(const char* kernel_name) {
  cl_int status = 0;
  cl_kernel kernel = clCreateKernel(program_, kernel_name, &status);
  check(status, "clCreateKernel");
  return kernel;
}

void OpenClDevice::set_argument(cl_kernel kernel, cl_uint index, size_t size, const void* value) {
  check(clSetKernelArg(kernel, index, size, value), "clSetKernelArg");
}

void OpenClDevice::launch(cl_kernel kernel, size_t items, size_t group) {
  check(clEnqueueNDRangeKernel(queue_, kernel, 1, nullptr, &items, &group, 0, nullptr, nullptr),
        "clEnqueueNDRangeKernel");
  check(clFinish(queue_), "clFinish");
  clReleaseKernel(kernel);
}

}  // namespace rotor::numerics
