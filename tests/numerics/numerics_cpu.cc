// SPDX-License-Identifier: Apache-2.0
// numerics_cpu LEVEL: the cases by the kernels of one instruction-set level.
// numerics_cpu: the names of the levels that run here, one a line.
#include <cstdio>
#include <limits>

#include "cases.h"
#include "kernels/kernels.h"

namespace rotor::numerics {
namespace {

float dot(const KernelTable& kernels, const std::vector<float>& a, const std::vector<float>& b) {
  float result = 0;
  kernels.dot_rows_f32({a.data(), 1, a.size(), b.data(), b.size(), 1, &result, 1});
  return result;
}

Partial attend(const KernelTable& kernels, const PageCase& page) {
  Partial partial = {0, 0, std::vector<float>(page.head_dim)};
  std::vector<float> scratch(attend_scratch(page.head_dim));
  const std::vector<uint16_t> keys = to_patterns(page.keys);
  const std::vector<uint16_t> values = to_patterns(page.values);
  const AttendRow row = {page.begin,         page.end,     page.q.data(),
                         &partial.max_score, &partial.sum, partial.out.data()};
  AttendArgs args = {page.keys.data(), page.values.data(), &row, 1, 1,
                     page.head_dim, page.scale, scratch.data()};
  if (page.half) {
    args.keys = keys.data();
    args.values = values.data();
    kernels.attend_f16(args);
  } else {
    kernels.attend_f32(args);
  }
  return partial;
}

std::vector<float> flatten(const Partial& partial) {
  std::vector<float> all = {partial.max_score, partial.sum};
  all.insert(all.end(), partial.out.begin(), partial.out.end());
  return all;
}

void run(const KernelTable& kernels) {
  for (const VectorCase& c : dot_cases()) {
    print_line(c.name, {dot(kernels, c.a, c.b)});
  }
  std::vector<float> exps;
  for (float x : exp_inputs()) {
    exps.push_back(kernels.exp_sum(&x, 1, 0.0f));
  }
  print_line("exp", exps);
  Partial merged;
  for (const PageCase& page : page_cases()) {
    const Partial partial = attend(kernels, page);
    print_line(page.name, flatten(partial));
    if (page.begin == 0 && page.end == kPagePositions) {
      merged = partial;
    } else {
      kernels.attend_merge(&merged.max_score, &merged.sum, merged.out.data(), partial.max_score,
                           partial.sum, partial.out.data(), page.head_dim);
      print_line("merged with " + page.name, flatten(merged));
    }
  }
  for (const VectorCase& c : norm_cases()) {
    std::vector<float> normed(c.a.size());
    std::vector<int8_t> q(c.a.size());
    const Quantized result = kernels.rms_norm_quantize(c.a.data(), c.b.data(), c.a.size(), 1e-5f,
                                                       normed.data(), q.data(), q.size());
    normed.push_back(result.scale);
    normed.insert(normed.end(), q.begin(), q.end());
    print_line(c.name, normed);
  }
}

}  // namespace
}  // namespace rotor::numerics

int main(int argc, char** argv) {
  using namespace rotor;
  if (argc < 2) {
    for (int i = 0; i <= static_cast<int>(IsaLevel::kI8mm); ++i) {
      const IsaLevel level = static_cast<IsaLevel>(i);
      if (cpu_features().supports(level)) {
        std::printf("%s\n", std::string(isa_name(level)).c_str());
      }
    }
    return 0;
  }
  const Result<IsaLevel> level = parse_isa(argv[1]);
  if (!level.ok() || !cpu_features().supports(*level)) {
    std::fprintf(stderr, "numerics_cpu: no level \"%s\" here\n", argv[1]);
    return 2;
  }
  numerics::run(kernel_table(*level));
  return 0;
}
