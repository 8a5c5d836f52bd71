// SPDX-License-Identifier: Apache-2.0
// numerics_opencl REDUCTIONS.CL: the cases on an OpenCL device, in the same lines as numerics_cpu.
#include <cstdio>

#include "cases.h"
#include "opencl_device.h"

namespace rotor::numerics {
namespace {

constexpr size_t kPage = 256;

float dot(OpenClDevice& device, const std::vector<float>& a, const std::vector<float>& b) {
  cl_mem result = device.upload(std::vector<float>(1));
  device.run("dot_product", 128, 128, device.upload(a), device.upload(b),
             static_cast<cl_int>(a.size()), result);
  return device.download(result, 1)[0];
}

std::vector<float> attend(OpenClDevice& device, const PageCase& page) {
  const auto cache = [&](const std::vector<float>& values) {
    return page.half ? device.upload(to_patterns(values)) : device.upload(values);
  };
  cl_mem result = device.upload(std::vector<float>(2 + page.head_dim));
  device.run("page_attention", kPage, kPage, cache(page.keys), cache(page.values),
             static_cast<cl_int>(page.half), device.upload(page.q),
             static_cast<cl_int>(page.head_dim), static_cast<cl_int>(page.begin),
             static_cast<cl_int>(page.end), page.scale, result);
  return device.download(result, 2 + page.head_dim);
}

void run(OpenClDevice& device) {
  for (const VectorCase& c : dot_cases()) {
    print_line(c.name, {dot(device, c.a, c.b)});
  }
  const std::vector<float> inputs = exp_inputs();
  cl_mem exps = device.upload(inputs);
  device.run("exponential", inputs.size(), 1, exps, exps);
  print_line("exp", device.download(exps, inputs.size()));
  std::vector<float> merged;
  for (const PageCase& page : page_cases()) {
    const std::vector<float> partial = attend(device, page);
    print_line(page.name, partial);
    if (page.begin == 0 && page.end == kPage) {
      merged = partial;
    } else {
      cl_mem result = device.upload(merged);
      device.run("merge_pages", page.head_dim, 1, device.upload(merged), device.upload(partial),
                 result);
      merged = device.download(result, merged.size());
      print_line("merged with " + page.name, merged);
    }
  }
  for (const VectorCase& c : norm_cases()) {
    const size_t n = c.a.size();
    cl_mem result = device.upload(std::vector<float>(2 * n + 1));
    device.run("norm_quantize", 64, 64, device.upload(c.a), device.upload(c.b),
               static_cast<cl_int>(n), dot(device, c.a, c.a), 1e-5f, result);
    print_line(c.name, device.download(result, 2 * n + 1));
  }
}

}  // namespace
}  // namespace rotor::numerics

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: numerics_opencl REDUCTIONS.CL\n");
    return 2;
  }
  rotor::numerics::OpenClDevice device(argv[1]);
  std::fprintf(stderr, "OpenCL device: %s\n", device.name().c_str());
  rotor::numerics::run(device);
  return 0;
}
