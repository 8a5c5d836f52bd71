// SPDX-License-Identifier: Apache-2.0
// What the fixed order of float sums costs (docs/numerics.md): each AVX-512 kernel beside its twin that
// sums in any order and fuses (x86/free_order_bench.cc). The two take turns, and `cost_percent` is the
// median over the turns of how much longer the fixed order takes, `low` and `high` its quartiles:
//   kernels_bench --benchmark_filter=fixed_order
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <vector>

#include "base/buffer.h"
#include "kernels/kernel_list.h"

namespace rotor::kernels {

FunctionOf<RmsNorm>::Type rms_norm_free;
FunctionOf<RmsNormQuantize>::Type rms_norm_quantize_free;
FunctionOf<ExpSum>::Type exp_sum_free;
FunctionOf<DotRows>::Type dot_rows_bf16_free;
FunctionOf<Attend>::Type attend_f16_free;
FunctionOf<Attend>::Type attend_f32_free;

}  // namespace rotor::kernels

namespace rotor {
namespace {

constexpr size_t kCols = 2560;  // the width of 2B-4T
constexpr size_t kTurns = 201;

std::vector<float> random_floats(size_t n) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  std::generate(values.begin(), values.end(), [&] { return normal(random); });
  return values;
}

// Aligned as the engine's memory is: where a vector happens to begin is worth more than the order.
template <typename Element>
Buffer filled(size_t count, Element value) {
  Buffer buffer = std::move(*Buffer::allocate(count * sizeof(Element)));
  std::fill_n(buffer.as<Element>().data(), count, value);
  return buffer;
}

template <typename Call>
double seconds(size_t calls, const Call& call) {
  const auto start = std::chrono::steady_clock::now();
  for (size_t i = 0; i < calls; ++i) {
    call();
    benchmark::ClobberMemory();
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// `calls` of one, then of the other, kTurns times; the order of the two changes with every turn.
template <typename Fixed, typename Free>
void compare(benchmark::State& state, size_t calls, const Fixed& fixed, const Free& free) {
  if (!cpu_features().supports(IsaLevel::kAvx512Vnni)) {
    state.SkipWithError("this CPU lacks avx512vnni");
    return;
  }
  for (auto iteration : state) {
    std::vector<double> costs;
    for (size_t turn = 0; turn < kTurns; ++turn) {
      const bool first = turn % 2 == 0;
      const double early = first ? seconds(calls, fixed) : seconds(calls, free);
      const double late = first ? seconds(calls, free) : seconds(calls, fixed);
      costs.push_back(100 * ((first ? early / late : late / early) - 1));
    }
    std::sort(costs.begin(), costs.end());
    state.counters["cost_percent"] = costs[kTurns / 2];
    state.counters["low"] = costs[kTurns / 4];
    state.counters["high"] = costs[3 * kTurns / 4];
  }
}

void norm(benchmark::State& state) {
  const std::vector<float> x = random_floats(kCols);
  std::vector<float> out(kCols);
  const auto call = [&](RmsNorm kernel) {
    return [&, kernel] { kernel(x.data(), x.data(), kCols, 1e-5f, out.data()); };
  };
  compare(state, 200, call(kernels::rms_norm_avx512vnni), call(kernels::rms_norm_free));
}

void norm_and_quantize(benchmark::State& state) {
  const std::vector<float> x = random_floats(kCols);
  std::vector<float> out(kCols);
  std::vector<int8_t> q(kCols);
  const auto call = [&](RmsNormQuantize kernel) {
    return [&, kernel] { kernel(x.data(), x.data(), kCols, 1e-5f, out.data(), q.data(), kCols); };
  };
  compare(state, 200, call(kernels::rms_norm_quantize_avx512vnni),
          call(kernels::rms_norm_quantize_free));
}

void softmax_sum(benchmark::State& state) {
  const std::vector<float> x = random_floats(kCols);
  const auto call = [&](ExpSum kernel) {
    return [&, kernel] { benchmark::DoNotOptimize(kernel(x.data(), kCols, 6.0f)); };
  };
  compare(state, 100, call(kernels::exp_sum_avx512vnni), call(kernels::exp_sum_free));
}

// Rows of a bf16 head for some vectors: as many as are streamed from memory, or that fit a cache.
void head(benchmark::State& state) {
  const auto rows = static_cast<size_t>(state.range(0));
  const auto batch = static_cast<size_t>(state.range(1));
  const Buffer weights = filled(rows * kCols, uint16_t{0x3f81});
  const Buffer x = filled(batch * kCols, 0.5f);
  std::vector<float> out(batch * rows);
  const auto call = [&](DotRows kernel) {
    return [&, kernel] {
      kernel({weights.data(), rows, kCols, x.as<float>().data(), kCols, batch, out.data(), rows});
    };
  };
  compare(state, 1, call(kernels::dot_rows_bf16_avx512vnni), call(kernels::dot_rows_bf16_free));
}

// The four queries that share a key/value head of 2B-4T, over pages of 256 positions.
template <typename Element>
void attend(benchmark::State& state, Attend fixed, Attend free, Element one) {
  constexpr size_t kDim = 128;
  constexpr size_t kQueries = 4;
  const auto pages = static_cast<size_t>(state.range(0));
  const size_t page = kPagePositions * kDim;
  const Buffer keys = filled(pages * page, one);
  const Buffer values = filled(pages * page, one);
  const Buffer q = filled(kQueries * kDim, 0.5f);
  Buffer scratch = filled(attend_scratch(kDim), 0.0f);
  Buffer result = filled(2 * kQueries + kQueries * kDim, 0.0f);
  const auto call = [&](Attend kernel) {
    return [&, kernel] {
      float* const out = result.as<float>().data();
      const AttendRow row = {0,   kPagePositions, q.as<float>().data(),
                             out, out + kQueries, out + 2 * kQueries};
      for (size_t p = 0; p < pages; ++p) {
        kernel({keys.as<Element>().data() + p * page, values.as<Element>().data() + p * page, &row, 1,
                kQueries, kDim, 0.088f, scratch.as<float>().data()});
      }
    };
  };
  compare(state, 1, call(fixed), call(free));
}

void attention_f16(benchmark::State& state) {
  attend<uint16_t>(state, kernels::attend_f16_avx512vnni, kernels::attend_f16_free, 0x3c01);
}

void attention_f32(benchmark::State& state) {
  attend<float>(state, kernels::attend_f32_avx512vnni, kernels::attend_f32_free, 1.01f);
}

BENCHMARK(norm_and_quantize)->Name("fixed_order/rms_norm_quantize")->Iterations(1);
BENCHMARK(norm)->Name("fixed_order/rms_norm")->Iterations(1);
BENCHMARK(softmax_sum)->Name("fixed_order/exp_sum")->Iterations(1);
BENCHMARK(head)->Name("fixed_order/dot_rows_bf16")->ArgNames({"rows", "batch"})
    ->Args({16384, 1})->Args({64, 1})->Args({64, 16})->Iterations(1);
BENCHMARK(attention_f16)->Name("fixed_order/attend_f16")->ArgName("pages")->Arg(1)->Arg(256)
    ->Iterations(1);
BENCHMARK(attention_f32)->Name("fixed_order/attend_f32")->ArgName("pages")->Arg(1)->Arg(256)
    ->Iterations(1);

}  // namespace
}  // namespace rotor
