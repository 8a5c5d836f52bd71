// SPDX-License-Identifier: Apache-2.0
// Times every row of kernel_list.inc that this CPU can run: bytes of weights (or of input) a second
// and the ratio to the scalar row, if that was timed too. Weights are a stream larger than the caches of a core, as in
// decoding. Run it on an idle machine: kernels_bench --benchmark_filter=ternary (docs/bench.md).
#include <benchmark/benchmark.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "kernels/kernel_list.h"
#include "kernels/kernels.h"

namespace rotor {
namespace {

constexpr size_t kStreamBytes = size_t{128} << 20;
constexpr size_t kCols = 2560;

// Random bits where `mask` has ones, the bits of `fixed` elsewhere.
Buffer random_words(size_t bytes, uint32_t mask, uint32_t fixed) {
  Buffer buffer = std::move(*Buffer::allocate(bytes));
  std::minstd_rand random(1);
  for (uint32_t& word : buffer.as<uint32_t>()) {
    word = (static_cast<uint32_t>(random() * 2654435761u) & mask) | fixed;
  }
  return buffer;
}

// Magnitudes around 1, read as binary16, bfloat16 or binary32: subnormal numbers would be slow.
Buffer random_floats_of_any_type(size_t bytes) {
  return random_words(bytes, 0x807f807fu, 0x3f003f00u);
}

std::vector<float> random_floats(size_t n) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  std::generate(values.begin(), values.end(), [&] { return normal(random); });
  return values;
}

// Runs `call`, which reads `bytes`, and reports its rate and its ratio to the scalar row, which the
// list, and so the benchmark, has first.
template <typename Call>
void measure(benchmark::State& state, const std::string& key, size_t bytes, Call call) {
  static std::map<std::string, double> scalar_seconds;
  const std::clock_t start = std::clock();
  for (auto iteration : state) {
    call();
    benchmark::ClobberMemory();
  }
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC /
                         static_cast<double>(state.iterations());
  state.SetBytesProcessed(static_cast<int64_t>(bytes * state.iterations()));
  if (scalar_seconds.count(key) == 0) {
    scalar_seconds[key] = seconds;
  }
  state.counters["x_scalar"] = scalar_seconds[key] / seconds;
}

// Those of the machine are in every level's table.
const KernelTable& distances() { return kernel_table(IsaLevel::kScalar); }

void run(benchmark::State& state, const std::string& name, TernaryMatmul kernel) {
  const TernaryFormat format = *parse_format(name.substr(std::string("ternary_matmul_").size()));
  const size_t batch = static_cast<size_t>(state.range(0));
  const size_t block_bytes = row_block_bytes(format, kCols);
  // A large batch computes more than it reads: a slice of the stream is enough.
  const size_t blocks = kStreamBytes / block_bytes / std::min<size_t>(batch, 16);
  const Buffer weights = random_words(blocks * block_bytes, 0x55555555u, 0);
  const size_t x_stride = kCols + 64;  // an odd number of cache lines, as in Workspace
  const std::vector<int8_t> x(batch * x_stride, 3);
  const std::vector<int32_t> x_sum(batch, 3 * static_cast<int32_t>(kCols));
  std::vector<int32_t> out(batch * blocks * kTileRows);
  const TernaryMatmulArgs args = {weights.as<uint8_t>().data(), blocks, block_bytes, 0,
                                  tiles_per_row_block(format, kCols), x.data(), x_stride,
                                  x_sum.data(), batch, out.data(), blocks * kTileRows,
                                  distances().weights_ahead};
  measure(state, name + std::to_string(batch), weights.size(), [&] { kernel(args); });
  state.counters["multiply_adds"] =
      benchmark::Counter(static_cast<double>(blocks * kTileRows * kCols * batch),
                         benchmark::Counter::kIsIterationInvariantRate);
}

// Groups of 128, as most models with groups have them; bytes include the scales.
void run(benchmark::State& state, const std::string& name, GroupMatmul kernel) {
  const GroupShape shape{128, name.ends_with("_f16") ? GroupScaleType::kF16 : GroupScaleType::kF32};
  const size_t batch = static_cast<size_t>(state.range(0));
  const size_t block_bytes = row_block_bytes(TernaryFormat::kI2, kCols);
  const size_t blocks = kStreamBytes / block_bytes / std::min<size_t>(batch, 16);
  const Buffer weights = random_words(blocks * block_bytes, 0x55555555u, 0);
  const size_t scale_bytes = blocks * group_scale_block_bytes(shape, kCols);
  const Buffer scales = random_words(scale_bytes, 0x007f007fu, 0x3f003f00u);
  const size_t x_stride = kCols + 64;
  const std::vector<int8_t> x(batch * x_stride, 3);
  const size_t running_stride = kCols / kRunningCols + 1;
  std::vector<int32_t> running(batch * running_stride);
  for (size_t i = 0; i < running.size(); ++i) {
    running[i] = static_cast<int32_t>(i % running_stride * kRunningCols * 3);
  }
  std::vector<float> out(batch * blocks * kTileRows);
  const GroupMatmulArgs args = {weights.as<uint8_t>().data(), blocks, block_bytes, kCols / 16,
                                shape.cols / 16, scales.data(), x.data(), x_stride,
                                running.data(), running_stride, batch, out.data(),
                                blocks * kTileRows,
                                distances().weights_ahead};
  measure(state, name + std::to_string(batch), weights.size() + scale_bytes, [&] { kernel(args); });
  state.counters["multiply_adds"] =
      benchmark::Counter(static_cast<double>(blocks * kTileRows * kCols * batch),
                         benchmark::Counter::kIsIterationInvariantRate);
}

// One scale a row for binary32, groups of 128 for binary16; bytes include the scales.
void run(benchmark::State& state, const std::string& name, TernaryDots kernel) {
  const bool half = name.ends_with("_f16");
  const size_t groups = half ? kCols / 128 : 1;
  const size_t batch = static_cast<size_t>(state.range(0));
  const size_t block_bytes = row_block_bytes(TernaryFormat::kI2, kCols);
  const size_t blocks = kStreamBytes / block_bytes / std::min<size_t>(batch, 16);
  const Buffer weights = random_words(blocks * block_bytes, 0x55555555u, 0);
  const size_t scale_bytes = blocks * groups * kTileRows * (half ? 2 : 4);
  const Buffer scales = random_words(scale_bytes, 0x007f007fu, 0x3f003f00u);
  const std::vector<float> x = random_floats(batch * kCols);
  std::vector<float> out(batch * blocks * kTileRows);
  const TernaryDotsArgs args = {weights.as<uint8_t>().data(), blocks, block_bytes, kCols,
                                kCols / 16 / groups, scales.data(), x.data(), kCols, batch,
                                out.data(), blocks * kTileRows};
  measure(state, name + std::to_string(batch), weights.size() + scale_bytes, [&] { kernel(args); });
  state.counters["multiply_adds"] =
      benchmark::Counter(static_cast<double>(blocks * kTileRows * kCols * batch),
                         benchmark::Counter::kIsIterationInvariantRate);
}

void run(benchmark::State& state, const std::string& name, DotRows kernel) {
  const size_t batch = static_cast<size_t>(state.range(0));
  const size_t element = name == "dot_rows_f32" ? 4 : 2;
  const size_t rows = kStreamBytes / (kCols * element) / std::min<size_t>(batch, 16);
  const Buffer w = random_floats_of_any_type(rows * kCols * element);
  const std::vector<float> x = random_floats(batch * kCols);
  std::vector<float> out(batch * rows);
  measure(state, name + std::to_string(batch), w.size(), [&] {
    kernel({w.data(), rows, kCols, x.data(), kCols, batch, out.data(), rows});
  });
}

// Of rank 8 times the batch.
void run(benchmark::State& state, const std::string& name, AddLowRank kernel) {
  constexpr size_t kOutputs = 6912;
  const size_t rank = 8 * static_cast<size_t>(state.range(0));
  const size_t element = name == "add_low_rank_f32" ? 4 : 2;
  const Buffer b = random_floats_of_any_type(rank * kOutputs * element);
  const std::vector<float> low(rank, 0.5f);
  std::vector<float> out(kOutputs);
  measure(state, name + std::to_string(rank), b.size(), [&] {
    kernel({b.data(), kOutputs, rank, low.data(), 0.5f, kOutputs, out.data()});
  });
}

// `batch` vectors in two limbs.
void run(benchmark::State& state, const std::string& name, CodeDots kernel) {
  const size_t vectors = 2 * static_cast<size_t>(state.range(0));
  constexpr size_t kBlockBytes = kCols / kCodeGroupCols * kCodeGroupBytes;
  const size_t blocks = kStreamBytes / kBlockBytes / std::min<size_t>(vectors, 16);
  const Buffer codes = random_words(blocks * kBlockBytes, 0xffffffffu, 0);
  const std::vector<int8_t> x(vectors * kCols, 3);
  std::vector<int32_t> out(vectors * blocks * 16);
  measure(state, name + std::to_string(vectors), codes.size(), [&] {
    kernel({codes.as<uint8_t>().data(), blocks, kCols, x.data(), kCols, vectors, out.data(),
            blocks * 16, distances().codes_ahead});
  });
}

// A row after the other.
void run(benchmark::State& state, const std::string& name, RestDots kernel) {
  static_assert(kCols % kRestChunkCols == 0);
  const size_t rows = kStreamBytes / (kCols / 4);
  const Buffer rests = random_words(rows * kCols / 4, 0xffffffffu, 0);
  const std::vector<int8_t> x(2 * kCols, 3);
  int32_t out[2];
  measure(state, name, rests.size(), [&] {
    for (size_t row = 0; row < rows; ++row) {
      kernel({rests.as<uint8_t>().data() + row * kCols / 4, kCols, x.data(), kCols, out});
      benchmark::DoNotOptimize(out);
    }
  });
}

void run(benchmark::State& state, const std::string& name, Attend kernel) {
  constexpr size_t kDim = 128;
  constexpr size_t kPages = 64;
  constexpr size_t kHeads = 4;  // that share keys and values
  const size_t count = static_cast<size_t>(state.range(0));
  const size_t element = name == "attend_f32" ? 4 : name == "attend_int8" ? 1 : 2;
  const size_t page = kPagePositions * kDim * element;
  const Buffer keys = random_floats_of_any_type(kPages * page);
  const Buffer values = random_floats_of_any_type(kPages * page);
  const std::vector<float> q(count * kHeads * kDim, 0.5f);
  const std::vector<float> scales(kPagePositions, 0.01f);
  std::vector<float> scratch(attend_scratch(kDim));
  std::vector<float> result(count * kHeads * (kDim + 2));
  std::vector<AttendRow> rows;
  for (size_t i = 0; i < count; ++i) {
    float* const out = result.data() + i * kHeads * (kDim + 2);
    rows.push_back({0, kPagePositions, q.data() + i * kHeads * kDim, out, out + kHeads, out + 2 * kHeads});
  }
  measure(state, name + std::to_string(count), 2 * kPages * page, [&] {
    for (size_t p = 0; p < kPages; ++p) {
      kernel({keys.data() + p * page, values.data() + p * page, rows.data(), count, kHeads, kDim, 0.088f,
              scratch.data(), scales.data(), scales.data()});
    }
  });
}

void run(benchmark::State& state, const std::string& name, RmsNormQuantize kernel) {
  const std::vector<float> x = random_floats(kCols);
  std::vector<float> normed(kCols);
  std::vector<int8_t> q(kCols);
  measure(state, name, kCols * sizeof(float), [&] {
    kernel(x.data(), x.data(), kCols, 1e-5f, normed.data(), q.data(), kCols);
  });
}

// A vocabulary of 128,256; "bytes" are the random ones.
void run(benchmark::State& state, const std::string& name, LargeNoise kernel) {
  std::vector<uint32_t> found(256);
  measure(state, name, 501 * 256 * sizeof(uint64_t), [&] {
    for (uint32_t first = 0; first < 501 * 256; first += 256) {
      benchmark::DoNotOptimize(kernel({42, 0, 7, first, 256, 12, found.data()}));
    }
  });
}

void run(benchmark::State& state, const std::string& name, ExpSum kernel) {
  std::vector<float> x = random_floats(kCols);
  measure(state, name, kCols * sizeof(float),
          [&] { benchmark::DoNotOptimize(kernel(x.data(), kCols, 6.0f)); });
}

// What follows moves some kilobytes a token, all in the first-level cache: a row as wide as 2B-4T's.
void run(benchmark::State& state, const std::string& name, RmsNorm kernel) {
  const std::vector<float> x = random_floats(kCols);
  std::vector<float> out(kCols);
  measure(state, name, kCols * sizeof(float),
          [&] { kernel(x.data(), x.data(), kCols, 1e-5f, out.data()); });
}

void run(benchmark::State& state, const std::string& name, ScaleTensor kernel) {
  const std::vector<int32_t> sums(kCols, 12345);
  std::vector<float> out(kCols);
  measure(state, name, kCols * sizeof(int32_t),
          [&] { kernel(sums.data(), kCols, 0.01f, out.data()); });
}

void run(benchmark::State& state, const std::string& name, ScaleRows kernel) {
  const std::vector<int32_t> sums(kCols, 12345);
  const std::vector<float> scales = random_floats(kCols);
  std::vector<float> out(kCols);
  measure(state, name, 2 * kCols * sizeof(int32_t),
          [&] { kernel(sums.data(), scales.data(), kCols, 0.01f, out.data()); });
}

void run(benchmark::State& state, const std::string& name, AddTo kernel) {
  std::vector<float> x(kCols, 1.0f);
  const std::vector<float> y(kCols, 0.0f);  // so that repeating it changes nothing
  measure(state, name, 2 * kCols * sizeof(float), [&] { kernel(x.data(), y.data(), kCols); });
}

void run(benchmark::State& state, const std::string& name, Gated kernel) {
  const std::vector<float> gate = random_floats(kCols);
  std::vector<float> out(kCols);
  measure(state, name, 2 * kCols * sizeof(float),
          [&] { kernel(gate.data(), gate.data(), kCols, out.data()); });
}

void run(benchmark::State& state, const std::string& name, Rope kernel) {
  constexpr size_t kDim = 128;
  std::vector<float> x = random_floats(kCols);
  const std::vector<float> cos(kDim / 2, 0.8f);  // a turn: magnitudes stay
  const std::vector<float> sin(kDim / 2, 0.6f);
  measure(state, name, kCols * sizeof(float),
          [&] { kernel(x.data(), kCols / kDim, kDim, cos.data(), sin.data()); });
}

void run(benchmark::State& state, const std::string& name, ToF16 kernel) {
  const std::vector<float> x = random_floats(kCols);
  std::vector<uint16_t> out(kCols);
  measure(state, name, kCols * sizeof(float), [&] { kernel(x.data(), kCols, out.data()); });
}

void run(benchmark::State& state, const std::string& name, FromF16 kernel) {
  const std::vector<uint16_t> x(kCols, 0x3c01);
  std::vector<float> out(kCols);
  measure(state, name, kCols * sizeof(uint16_t), [&] { kernel(x.data(), kCols, out.data()); });
}

void run(benchmark::State& state, const std::string& name, AttendMerge kernel) {
  constexpr size_t kDim = 128;
  std::vector<float> out(kDim, 0.5f);
  const std::vector<float> other(kDim, 0.5f);
  measure(state, name, 2 * kDim * sizeof(float), [&] {
    float max_score = 1.0f;
    float sum = 1.0f;
    kernel(&max_score, &sum, out.data(), -30.0f, 1.0f, other.data(), kDim);
  });
}

void run(benchmark::State& state, const std::string& name, DivideBy kernel) {
  const std::vector<float> x = random_floats(kCols);
  std::vector<float> out(kCols);
  measure(state, name, kCols * sizeof(float), [&] { kernel(x.data(), 3.0f, kCols, out.data()); });
}

// Reads nothing: its rate is that of the multiplications and additions.
void run(benchmark::State& state, const std::string& name, IntegerPeak kernel) {
  constexpr uint64_t kRounds = 16;
  measure(state, name, 0, [&] { benchmark::DoNotOptimize(kernel(kRounds)); });
  state.counters["multiply_adds"] =
      benchmark::Counter(static_cast<double>(kRounds * kPeakMultiplyAdds),
                         benchmark::Counter::kIsIterationInvariantRate);
}

// What every load of a .rotor file does; items are trits.
void repack(benchmark::State& state) {
  const size_t bytes_in = row_block_bytes(TernaryFormat::kDense243, kCols);
  const size_t bytes_out = row_block_bytes(TernaryFormat::kI2, kCols);
  const size_t blocks = (size_t{16} << 20) / bytes_in;
  const Buffer packed = random_words(blocks * bytes_in, 0x7f7f7f7fu, 0);
  Buffer out = std::move(*Buffer::allocate(blocks * bytes_out));
  for (auto iteration : state) {
    for (size_t block = 0; block < blocks; ++block) {
      repack_row_block(TernaryFormat::kDense243, packed.as<uint8_t>().data() + block * bytes_in,
                       TernaryFormat::kI2, kCols, out.as<uint8_t>().data() + block * bytes_out);
    }
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * blocks * kTileRows * kCols));
}
BENCHMARK(repack)->Name("repack_dense243_to_i2");

template <typename Kernel>
void add_row(const std::string& name, const std::string& isa, IsaLevel level, Kernel kernel) {
  constexpr bool kBatched = std::is_same_v<Kernel, TernaryMatmul> ||
                            std::is_same_v<Kernel, GroupMatmul> ||
                            std::is_same_v<Kernel, TernaryDots> ||
                            std::is_same_v<Kernel, DotRows> || std::is_same_v<Kernel, CodeDots> ||
                            std::is_same_v<Kernel, Attend>;
  if (!cpu_features().supports(level)) {
    return;
  }
  auto* row = benchmark::RegisterBenchmark(
      (name + "/" + isa).c_str(),
      [=](benchmark::State& state) { run(state, name, kernel); });
  if (kBatched) {
    row->ArgName("batch")->Arg(1)->Arg(4)->Arg(64);
  }
}

}  // namespace
}  // namespace rotor

int main(int argc, char** argv) {
#define ROTOR_KERNEL(type, slot, name, isa_name)                                            \
  rotor::add_row<rotor::type>(#name, #isa_name, rotor::kernels::isa::isa_name,              \
                              rotor::kernels::name##_##isa_name);
#include "kernels/kernel_list.inc"
#undef ROTOR_KERNEL
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 2;
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
