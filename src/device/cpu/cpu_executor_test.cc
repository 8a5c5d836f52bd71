// SPDX-License-Identifier: Apache-2.0
// What the executor refuses, how it stops, what it reports and what a trace hook sees. That its
// numbers are right is tests/identity_test.cc and tests/parity/.
#include "device/cpu/cpu_executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <numeric>

#include "model/loader.h"
#include "model/test_model.h"

namespace rotor {
namespace {

using testing::HasSubstr;

std::shared_ptr<Model> load(ModelSource source) {
  ThreadPool pool(1);
  auto model = load_model(std::move(source), {}, pool);
  EXPECT_TRUE(model.ok()) << model.status().message();
  return std::const_pointer_cast<Model>(*model);
}

std::unique_ptr<Executor> make(const std::shared_ptr<const Model>& model, size_t threads = 1,
                               size_t max_batch = 8) {
  CpuExecutorOptions options;
  options.threads = threads;
  options.max_batch = max_batch;
  auto executor = make_cpu_executor(model, options);
  EXPECT_TRUE(executor.ok()) << executor.status().message();
  return *std::move(executor);
}

// Logits of the last of `tokens`.
std::vector<float> run(Executor& executor, const std::vector<TokenId>& tokens) {
  KvSequence sequence(&executor.kv_pool());
  EXPECT_TRUE(sequence.extend(tokens.size()).ok());
  Batch batch;
  for (size_t i = 0; i < tokens.size(); ++i) {
    batch.rows.push_back({&sequence, i, tokens[i], i + 1 == tokens.size()});
  }
  const Status status = executor.forward(batch, nullptr);
  EXPECT_TRUE(status.ok()) << status.message();
  const auto logits = executor.logits(0).all;
  return {logits.begin(), logits.end()};
}

TEST(CpuExecutor, RefusesBatchesThatMakeNoSense) {
  const auto executor = make(load(test_source(test_config())));
  KvSequence sequence(&executor->kv_pool());
  ASSERT_TRUE(sequence.extend(9).ok());
  const auto refusal = [&](const Batch& batch) {
    const Status status = executor->forward(batch, nullptr);
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    return status.message();
  };
  EXPECT_THAT(refusal({}), HasSubstr("1..8 rows, got 0"));
  EXPECT_THAT(refusal({std::vector<BatchRow>(9, {&sequence, 0, 1, false})}), HasSubstr("got 9"));
  EXPECT_THAT(refusal({{{&sequence, 0, 97, false}}}), HasSubstr("token 97"));
  EXPECT_THAT(refusal({{{&sequence, 0, -1, false}}}), HasSubstr("token -1"));
  EXPECT_THAT(refusal({{{&sequence, 9, 1, false}}}), HasSubstr("position 9"));
  EXPECT_TRUE(executor->forward({{{&sequence, 8, 96, true}}}, nullptr).ok());
}

TEST(CpuExecutor, RefusesOptionsThatMakeNoSense) {
  const auto model = load(test_source(test_config()));
  const auto code = [&](const std::function<void(CpuExecutorOptions&)>& change) {
    CpuExecutorOptions options;
    options.threads = 1;
    change(options);
    return make_cpu_executor(model, options).status().code();
  };
  EXPECT_EQ(code([](auto& o) { o.max_batch = 0; }), Code::kInvalidArgument);
  EXPECT_EQ(code([](auto& o) { o.max_batch = 4097; }), Code::kInvalidArgument);
  EXPECT_EQ(code([](auto& o) { o.threads = 1025; }), Code::kInvalidArgument);
  EXPECT_EQ(code([](auto& o) { o.kv_positions = SIZE_MAX; }), Code::kInvalidArgument);
  EXPECT_EQ(code([](auto& o) { o.kv_sequences = SIZE_MAX; }), Code::kInvalidArgument);
  EXPECT_EQ(code([](auto& o) { o.kv_positions = o.kv_sequences = (1 << 24) - 1; }),
            Code::kOutOfMemory);
}

TEST(CpuExecutor, RefusesWhatItDoesNotCompute) {
  const auto refusal = [](const std::function<void(Model&)>& change) {
    const auto model = load(test_source(test_config()));
    change(*model);
    const auto executor = make_cpu_executor(model, {});
    EXPECT_EQ(executor.status().code(), Code::kUnsupported);
    return executor.status().message();
  };
  EXPECT_THAT(refusal([](Model& m) {
                m.weights.layers[1].up.matrix.scale.granularity =
                    TernaryScale::Granularity::kGroup;
                m.weights.layers[1].up.matrix.scale.group.cols = 128;
                m.weights.layers[1].up.matrix.format = TernaryFormat::kDense243;
              }),
              HasSubstr("layer 1, up: a scale for each group of columns in the layout dense243"));
  EXPECT_THAT(refusal([](Model& m) {
                m.weights.layers[1].up.matrix.scale.granularity =
                    TernaryScale::Granularity::kGroup;
                m.weights.layers[1].up.matrix.scale.group.cols = 32;
              }),
              HasSubstr("layer 1, up: a scale for each 32 columns"));
  EXPECT_THAT(refusal([](Model& m) { m.weights.layers[0].q.input_norm.assign(40, 1.0f); }),
              HasSubstr("layer 0, q: a norm"));
  EXPECT_THAT(refusal([](Model& m) { m.config.input_norms = true; }),
              HasSubstr("layer 0, q: no norm of its own"));
  EXPECT_THAT(refusal([](Model& m) { m.weights.layers[0].down.shard.axis = Shard::Axis::kCols; }),
              HasSubstr("layer 0, down: a split"));
}

TEST(CpuExecutor, StopsWhenCancelled) {
  const auto executor = make(load(test_source(test_config())));
  KvSequence sequence(&executor->kv_pool());
  ASSERT_TRUE(sequence.extend(1).ok());
  const Batch batch = {{{&sequence, 0, 1, true}}};
  CancelFlag cancel;
  EXPECT_TRUE(executor->forward(batch, &cancel).ok());
  cancel.cancel();
  EXPECT_EQ(executor->forward(batch, &cancel).code(), Code::kCancelled);
  cancel.reset();
  EXPECT_TRUE(executor->forward(batch, &cancel).ok());
}

TEST(CpuExecutor, ReportsWhereAnActivationLeftTheNumbers) {
  struct Place {
    std::function<void(Model&)> damage;
    const char* where;
  };
  // A scale of 3e38 makes q or a projection infinite, which the next norm sees.
  const std::vector<Place> places = {
      {[](Model& m) { m.weights.layers[0].v.matrix.scale.values = {3e38f}; },
       "position 2, layer 0, input of o"},
      {[](Model& m) { m.weights.layers[1].o.matrix.scale.values = {3e38f}; },
       "position 2, layer 1, input of gate_up"},
      {[](Model& m) { m.weights.layers[0].down.matrix.scale.values = {3e38f}; },
       "position 2, layer 1, input of qkv"},
      {[](Model& m) { m.weights.layers[1].up.matrix.scale.values = {3e38f}; },
       "position 2, layer 1, input of down"},
      // 1e25 is finite, its square is not.
      {[](Model& m) { m.weights.layers[0].o.matrix.scale.values = {1e25f}; },
       "position 2, layer 0, input of gate_up"},
      {[](Model& m) { m.weights.layers[1].down.matrix.scale.values = {1e25f}; },
       "position 3, the final norm or head"},
      {[](Model& m) { m.weights.output_norm.assign(40, 3e38f); },
       "position 3, the final norm or head"},
  };
  for (const Place& place : places) {
    const auto model = load(test_source(test_config()));
    place.damage(*model);
    for (const size_t threads : {1, 3}) {
      const auto executor = make(model, threads);
      KvSequence sequence(&executor->kv_pool());
      ASSERT_TRUE(sequence.extend(4).ok());
      const Batch batch = {{{&sequence, 2, 5, false}, {&sequence, 3, 6, true}}};
      const Status status = executor->forward(batch, nullptr);
      EXPECT_EQ(status.code(), Code::kNotFinite) << place.where;
      EXPECT_THAT(status.message(), HasSubstr(place.where));
    }
  }
}

TEST(CpuExecutor, IsUsableAfterANumberThatWasNotFinite) {
  const auto model = load(test_source(test_config()));
  const auto executor = make(model);
  const std::vector<float> before = run(*executor, {1, 2, 3});
  model->weights.layers[0].down.matrix.scale.values = {3e38f};
  KvSequence sequence(&executor->kv_pool());
  ASSERT_TRUE(sequence.extend(1).ok());
  EXPECT_EQ(executor->forward({{{&sequence, 0, 1, true}}}, nullptr).code(), Code::kNotFinite);
  model->weights.layers[0].down.matrix.scale = test_source(test_config()).layers[0].linear[6].scale;
  EXPECT_EQ(run(*executor, {1, 2, 3}), before);
}

// A cache longer than the model's own context, read by more threads than it has heads.
TEST(CpuExecutor, ComputesBeyondTheContextOfTheModel) {
  ModelConfig config = test_config();
  config.context = 16;
  const auto model = load(test_source(config));
  const auto last_logits = [&](size_t threads) {
    CpuExecutorOptions options;
    options.threads = threads;
    options.kv_positions = 24 * kPagePositions;
    const auto executor = *make_cpu_executor(model, options);
    KvSequence sequence(&executor->kv_pool());
    EXPECT_TRUE(sequence.extend(24 * kPagePositions).ok());
    Batch batch;
    for (size_t i = 0; i < 3; ++i) {  // the positions between are zero keys and values
      batch.rows.push_back({&sequence, sequence.length() - 3 + i, 5, i == 2});
    }
    EXPECT_TRUE(executor->forward(batch, nullptr).ok());
    const auto logits = executor->logits(0).all;
    return std::vector<float>(logits.begin(), logits.end());
  };
  EXPECT_EQ(last_logits(1), last_logits(2));
}

class Recorder : public TraceHook {
 public:
  void quantized(size_t layer, LinearInput input, size_t rows, size_t cols, int8_t* q,
                 size_t stride, float* scale) override {
    calls.push_back(std::to_string(layer) + " " + std::string(linear_input_name(input)) + " " +
                    std::to_string(rows) + "x" + std::to_string(cols));
    for (size_t r = 0; r < rows; ++r) {
      EXPECT_GT(scale[r], 0.0f);
      if (replace) {
        std::fill_n(q + r * stride, cols, int8_t{1});
        scale[r] = 2.0f;
      }
    }
  }
  void accumulated(size_t layer, LinearRole role, size_t rows, size_t cols, const int32_t* acc,
                   size_t stride) override {
    calls.push_back(std::to_string(layer) + " " + std::string(linear_role_name(role)) + " " +
                    std::to_string(rows) + "x" + std::to_string(cols));
    for (size_t r = 0; r < rows; ++r) {
      sums[static_cast<size_t>(role)].assign(acc + r * stride, acc + r * stride + cols);
    }
  }

  bool replace = false;
  std::vector<std::string> calls;
  std::vector<int32_t> sums[kLinearRoles];  // of the last layer and row
};

TEST(CpuExecutor, ATraceHookSeesEveryVerbOnceAndChangesNothing) {
  const auto executor = make(load(test_source(test_config())), 2);
  const std::vector<float> plain = run(*executor, {1, 2});
  Recorder recorder;
  executor->set_trace(&recorder);
  EXPECT_EQ(run(*executor, {1, 2}), plain);
  const std::vector<std::string> layer = {"qkv 2x40", "q 2x48",  "k 2x24",        "v 2x24",
                                          "o 2x48",   "o 2x40",  "gate_up 2x40",  "gate 2x56",
                                          "up 2x56",  "down 2x56", "down 2x40"};
  ASSERT_EQ(recorder.calls.size(), 2 * layer.size());
  for (size_t i = 0; i < recorder.calls.size(); ++i) {
    EXPECT_EQ(recorder.calls[i], std::to_string(i / layer.size()) + " " + layer[i % layer.size()]);
  }
  executor->set_trace(nullptr);
  run(*executor, {1, 2});
  EXPECT_EQ(recorder.calls.size(), 2 * layer.size());
}

TEST(CpuExecutor, ATraceHookSeesTheInputOfEachMatrixWithANormOfItsOwn) {
  ModelConfig config = test_config();
  config.input_norms = true;
  const auto executor = make(load(test_source(config)), 2);
  const std::vector<float> plain = run(*executor, {1, 2});
  Recorder recorder;
  executor->set_trace(&recorder);
  EXPECT_EQ(run(*executor, {1, 2}), plain);
  recorder.calls.resize(14);
  EXPECT_THAT(recorder.calls,
              testing::ElementsAre("0 q 2x40", "0 q 2x48", "0 k 2x40", "0 k 2x24", "0 v 2x40",
                                   "0 v 2x24", "0 o 2x48", "0 o 2x40", "0 gate 2x40",
                                   "0 gate 2x56", "0 up 2x40", "0 up 2x56", "0 down 2x56",
                                   "0 down 2x40"));
}

TEST(CpuExecutor, ATraceHookReplacesWhatIsMultiplied) {
  const ModelSource source = test_source(test_config());
  const auto executor = make(load(test_source(test_config())), 2);
  Recorder recorder;
  recorder.replace = true;
  executor->set_trace(&recorder);
  run(*executor, {1, 2});
  for (size_t role = 0; role < kLinearRoles; ++role) {
    const TritReader& trits = *source.layers[1].linear[role].trits;
    std::vector<int8_t> plain(row_blocks(trits.rows()) * kTileRows * trits.cols());
    ASSERT_TRUE(trits.read(0, row_blocks(trits.rows()), plain.data()).ok());
    for (size_t r = 0; r < trits.rows(); ++r) {
      const auto* row = plain.data() + r * trits.cols();
      EXPECT_EQ(recorder.sums[role][r], std::accumulate(row, row + trits.cols(), 0))
          << "role " << role << ", row " << r;
    }
  }
}

}  // namespace
}  // namespace rotor
