// SPDX-License-Identifier: Apache-2.0
// Checks a batch at the door, then runs the decoder over the CPU verbs.
#include "device/cpu/cpu_executor.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "device/cpu/cpu_ops.h"
#include "model/decoder.h"
#include "model/lora.h"

namespace rotor {
namespace {

constexpr size_t kMaxCache = (size_t{1} << 24) - 1;  // the product of two fits 64 bits

Status check_linear(const Linear& linear, bool input_norms, size_t layer, std::string_view role) {
  const auto refuse = [&](const std::string& what) {
    return unsupported("layer " + std::to_string(layer) + ", " + std::string(role) + ": " + what +
                       " is not computed by the CPU device");
  };
  const TernaryScale& scale = linear.matrix.scale;
  if (scale.grouped() && linear.matrix.format != TernaryFormat::kI2) {
    return refuse("a scale for each group of columns in the layout " +
                  std::string(format_info(linear.matrix.format).name));
  }
  const bool floats = linear.activation == ActivationRule::kFloat;
  if (floats && linear.floats == nullptr && linear.matrix.format != TernaryFormat::kI2) {
    return refuse("a product with activations that stay floats in the layout " +
                  std::string(format_info(linear.matrix.format).name));
  }
  const auto* known = std::find(std::begin(kGroupCols), std::end(kGroupCols), scale.group.cols);
  if (scale.grouped() && known == std::end(kGroupCols)) {
    return refuse("a scale for each " + std::to_string(scale.group.cols) + " columns");
  }
  if (linear.input_norm.empty() == input_norms) {
    return refuse(input_norms ? "no norm of its own" : "a norm of its own on a single projection");
  }
  if (linear.shard.axis != Shard::Axis::kNone) {
    return refuse("a split matrix");
  }
  return {};
}

Status check_model(const Model& model) {
  for (size_t i = 0; i < model.weights.layers.size(); ++i) {
    const LayerWeights& w = model.weights.layers[i];
    const bool norms = model.config.input_norms;
    ROTOR_TRY(check_linear(w.q, norms, i, "q"));
    ROTOR_TRY(check_linear(w.k, norms, i, "k"));
    ROTOR_TRY(check_linear(w.v, norms, i, "v"));
    ROTOR_TRY(check_linear(w.o, norms, i, "o"));
    ROTOR_TRY(check_linear(w.gate, norms, i, "gate"));
    ROTOR_TRY(check_linear(w.up, norms, i, "up"));
    ROTOR_TRY(check_linear(w.down, norms, i, "down"));
  }
  return {};
}

class CpuExecutor final : public Executor {
 public:
  CpuExecutor(std::shared_ptr<const Model> model, size_t threads, IsaLevel isa)
      : model_(std::move(model)), kernels_(kernel_table(isa)), pool_(threads) {}

  const ThreadPool& pool() const { return pool_; }

  Status prepare(const CpuExecutorOptions& options) {
    measure_ = options.measure;
    const ModelConfig& config = model_->config;
    const size_t positions = options.kv_positions != 0 ? options.kv_positions : config.context;
    const size_t pages = (positions + kPagePositions - 1) / kPagePositions * options.kv_sequences;
    ROTOR_ASSIGN(kv_, KvPool::create(config, options.kv_type, pages));
    ROTOR_ASSIGN(workspace_, Workspace::create(config, options.max_batch, pool_.size(), pages));
    const size_t turned = config.turned_dims();
    const size_t half = turned / 2;
    inv_freq_.resize(config.local_rope_theta != 0.0 ? 2 * half : half);
    rope_frequencies(config.rope_scaling, config.rope_theta, turned, inv_freq_.data());
    if (config.local_rope_theta != 0.0) {
      rope_frequencies({}, config.local_rope_theta, turned, inv_freq_.data() + half);
    }
    const Weights& weights = model_->weights;
    if (weights.head_plane.rows != 0) {
      ROTOR_ASSIGN(two_stage_, TwoStageHead::create(weights.head_matrix(), weights.head_plane,
                                                    kernels_, options.max_batch, pool_.size()));
    }
    ops_ = std::make_unique<CpuOps>(config, weights, kernels_, pool_, kv_, workspace_, inv_freq_,
                                    two_stage_.get());
    return {};
  }

  size_t max_batch() const override { return workspace_.max_batch; }
  KvPool& kv_pool() override { return kv_; }
  void set_trace(TraceHook* hook) override { ops_->set_trace(hook); }

  Status forward(const Batch& batch, const CancelFlag* cancel) override {
    ROTOR_TRY(check(batch));
    if (measure_) {
      TimedOps timed(*ops_, times_);
      return decode_step(model_->config, batch, cancel, timed);
    }
    return decode_step(model_->config, batch, cancel, *ops_);
  }

  RowLogits logits(size_t i) override { return ops_->row_logits(i); }
  std::span<const float> hidden(size_t i) override { return ops_->hidden_row(i); }
  VerbTimes verb_times() const override { return times_; }
  TwoStageCounts head_counts() const override {
    return two_stage_ != nullptr ? two_stage_->counts() : TwoStageCounts();
  }

 private:
  Status check(const Batch& batch) const {
    if (batch.rows.empty() || batch.rows.size() > workspace_.max_batch) {
      return invalid_argument("a batch holds 1.." + std::to_string(workspace_.max_batch) +
                              " rows, got " + std::to_string(batch.rows.size()));
    }
    const LoraSet* checked = nullptr;
    for (const BatchRow& row : batch.rows) {
      if (const LoraSet* const lora = row.sequence->lora(); lora != nullptr && lora != checked) {
        ROTOR_TRY(check_lora(*lora, model_->config));
        checked = lora;
      }
      if (row.token < 0 || static_cast<size_t>(row.token) >= model_->config.vocab) {
        return invalid_argument("token " + std::to_string(row.token) +
                                " is outside the vocabulary of " +
                                std::to_string(model_->config.vocab));
      }
      if (row.position >= row.sequence->length()) {
        return invalid_argument("position " + std::to_string(row.position) +
                                " has no room in its sequence of " +
                                std::to_string(row.sequence->length()));
      }
    }
    return {};
  }

  std::shared_ptr<const Model> model_;
  const KernelTable& kernels_;
  ThreadPool pool_;
  KvPool kv_;
  Workspace workspace_;
  std::vector<float> inv_freq_;
  std::unique_ptr<TwoStageHead> two_stage_;  // null when every logit is computed
  std::unique_ptr<CpuOps> ops_;
  bool measure_ = false;
  VerbTimes times_;
};

}  // namespace

Status check_threads(const ThreadPool& pool, size_t threads) {
  if (pool.size() >= threads) {
    return {};
  }
  return out_of_memory("the system starts only " + std::to_string(pool.size()) + " of " +
                       std::to_string(threads) + " threads; ask for fewer");
}

Result<std::unique_ptr<Executor>> make_cpu_executor(std::shared_ptr<const Model> model,
                                                    const CpuExecutorOptions& options) {
  ROTOR_TRY(check_model(*model));
  if (options.max_batch == 0 || options.max_batch > 4096) {
    return invalid_argument("batch size must lie in 1..4096, got " +
                            std::to_string(options.max_batch));
  }
  if (options.kv_positions > kMaxCache || options.kv_sequences > kMaxCache) {
    return invalid_argument("a cache holds at most " + std::to_string(kMaxCache) +
                            " positions of as many sequences, got " +
                            std::to_string(options.kv_positions) + " of " +
                            std::to_string(options.kv_sequences));
  }
  const size_t threads = options.threads != 0 ? options.threads : default_thread_count();
  if (threads > 1024) {
    return invalid_argument("at most 1024 threads, got " + std::to_string(threads));
  }
  auto executor = std::make_unique<CpuExecutor>(std::move(model), threads, options.isa);
  ROTOR_TRY(check_threads(executor->pool(), threads));
  ROTOR_TRY(executor->prepare(options));
  return std::unique_ptr<Executor>(std::move(executor));
}

}  // namespace rotor
