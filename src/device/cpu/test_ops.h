// SPDX-License-Identifier: Apache-2.0
// CpuOps with everything it refers to, so that a test can call one verb. Test code.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "device/cpu/cpu_ops.h"
#include "model/loader.h"
#include "model/test_model.h"

namespace rotor {

// A random model and a team of `threads`; `pages` pages of cache, batches of up to `max_batch` rows.
struct TestOps {
  TestOps(const ModelConfig& config, const TestModelOptions& options, size_t threads,
          KvType kv_type = KvType::kF32, size_t max_batch = 4, size_t pages = 4)
      : source(test_source(config, options)),
        pool(threads),
        model(*load_model(test_source(config, options), {}, pool)),
        kv(*KvPool::create(config, kv_type, pages)),
        ws(*Workspace::create(config, max_batch, threads, pages)),
        inv_freq(config.turned_dims() / 2),
        sequence(&kv),
        ops(model->config, model->weights, kernel_table(IsaLevel::kScalar), pool, kv, ws, inv_freq,
            nullptr) {
    rope_frequencies(config.rope_scaling, config.rope_theta, config.turned_dims(), inv_freq.data());
    EXPECT_TRUE(sequence.extend(pages * kPagePositions).ok());
  }

  // Begins a pass over rows at these positions: token 0 each, all logits wanted.
  void begin(const std::vector<size_t>& positions) {
    batch.rows.clear();
    for (const size_t position : positions) {
      batch.rows.push_back({&sequence, position, 0, true});
    }
    ops.embed(batch);
  }

  // Values in (-1, 1), another row at each call.
  std::vector<float> random_floats(size_t count) {
    std::vector<float> values(count);
    for (float& value : values) {
      value = std::uniform_real_distribution<float>(-1, 1)(random);
    }
    return values;
  }

  ModelSource source;  // the same model, not packed
  ThreadPool pool;
  std::shared_ptr<const Model> model;
  KvPool kv;
  Workspace ws;
  std::vector<float> inv_freq;
  KvSequence sequence;
  CpuOps ops;
  Batch batch;
  std::mt19937 random{7};
};

}  // namespace rotor
