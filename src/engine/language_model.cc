// SPDX-License-Identifier: Apache-2.0
// The public entrance: a loaded model, an executor on the CPU and one session, put together.
#include <rotor/language_model.h>

#include <algorithm>
#include <new>
#include <optional>
#include <utility>

#include "base/cpu_features.h"
#include "base/thread_pool.h"
#include "device/cpu/cpu_executor.h"
#include "device/cpu/cpu_loader.h"
#include "engine/chat_prompt.h"
#include "engine/embedding.h"
#include "engine/session.h"
#include "io/quote_name.h"
#include "model/loader.h"
#include "model/lora.h"
#include "model/model.h"

namespace rotor {
namespace {

constexpr size_t kDefaultContext = 4096;

// No exception leaves the library: where memory runs out inside `work`, that is its result.
template <typename Work>
auto without_exceptions(const Work& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return out_of_memory("the system has no more memory");
  }
}

}  // namespace

struct LanguageModel::Parts {
  Parts(std::shared_ptr<const Model> loaded, std::unique_ptr<Executor> made, size_t positions)
      : model(std::move(loaded)), executor(std::move(made)),
        session(*executor, {model->config.vocab, positions, model->tokenizer}),
        context(positions) {}

  // A call of `work` that cancel() ends, whatever it did before.
  template <typename Work>
  auto cancellable(const Work& work) {
    cancel.reset();
    return without_exceptions(work);
  }

  Status check_tokens(std::span<const TokenId> tokens) const;
  Status logits(std::span<const TokenId> tokens, const LogitsCallback& on_logits);
  Status hidden_states(std::span<const TokenId> tokens, const HiddenCallback& on_hidden);
  Result<std::vector<float>> embed(std::span<const TokenId> tokens, bool normalized);

  std::shared_ptr<const Model> model;
  std::unique_ptr<Executor> executor;
  Session session;  // refers to the executor
  size_t context;
  CancelFlag cancel;
};

Status LanguageModel::Parts::check_tokens(std::span<const TokenId> tokens) const {
  if (tokens.empty() || tokens.size() > context) {
    return invalid_argument("tokens: expected 1 to " + std::to_string(context) +
                            " (the context), got " + std::to_string(tokens.size()));
  }
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] < 0 || static_cast<size_t>(tokens[i]) >= model->config.vocab) {
      return invalid_argument("token " + std::to_string(i) + ": expected 0 to " +
                              std::to_string(model->config.vocab - 1) + ", got " +
                              std::to_string(tokens[i]));
    }
  }
  return {};
}

Status LanguageModel::Parts::hidden_states(std::span<const TokenId> tokens,
                                           const HiddenCallback& on_hidden) {
  ROTOR_TRY(check_tokens(tokens));
  session.truncate(0);
  return compute_hidden(*executor, tokens, 0, executor->max_batch(), &cancel, on_hidden);
}

Result<std::vector<float>> LanguageModel::Parts::embed(std::span<const TokenId> tokens,
                                                       bool normalized) {
  ROTOR_TRY(check_pooling(*model));
  ROTOR_TRY(check_tokens(tokens));
  session.truncate(0);
  ROTOR_ASSIGN(std::vector<float> vector,
               embed_tokens(*executor, tokens, context, executor->max_batch(), &cancel));
  if (normalized) {
    normalize(vector);
  }
  return vector;
}

Status LanguageModel::Parts::logits(std::span<const TokenId> tokens, const LogitsCallback& on_logits) {
  ROTOR_TRY(check_tokens(tokens));
  session.truncate(0);
  KvSequence sequence(&executor->kv_pool());
  Batch batch;
  while (sequence.length() < tokens.size()) {
    const size_t begin = sequence.length();
    const size_t rows = std::min(executor->max_batch(), tokens.size() - begin);
    ROTOR_TRY(sequence.extend(rows));
    batch.rows.clear();
    for (size_t i = begin; i < begin + rows; ++i) {
      batch.rows.push_back({&sequence, i, tokens[i], true});
    }
    ROTOR_TRY(executor->forward(batch, &cancel));
    for (size_t i = 0; i < rows && !cancel.cancelled(); ++i) {
      on_logits(begin + i, executor->logits(i).all);
    }
  }
  return cancel.cancelled() ? Status(Code::kCancelled, "cancelled") : Status();
}

LanguageModel::LanguageModel(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
LanguageModel::LanguageModel(LanguageModel&&) noexcept = default;
LanguageModel& LanguageModel::operator=(LanguageModel&&) noexcept = default;
LanguageModel::~LanguageModel() = default;

Result<LanguageModel> LanguageModel::open(const std::string& path, const OpenOptions& options) {
  return without_exceptions([&]() -> Result<LanguageModel> {
    CpuExecutorOptions executor_options;
    executor_options.threads = options.threads != 0 ? options.threads : default_thread_count();
    ROTOR_ASSIGN(executor_options.isa, selected_isa());
    const std::optional<KvType> kv = parse_kv_type(options.kv);
    if (!kv) {
      return invalid_argument("kv: expected f16, bf16, f32 or int8, got " + quote_name(options.kv));
    }
    executor_options.kv_type = *kv;
    std::shared_ptr<const Model> model;
    {
      ThreadPool pool(executor_options.threads);
      ROTOR_TRY(check_threads(pool, executor_options.threads));
      LoadOptions load;
      load.head = options.every_logit ? HeadMode::kFull : HeadMode::kAuto;
      ROTOR_ASSIGN(ModelSource source, open_model_source(path, load.source));
      executor_options.kv_positions =
          options.context != 0 ? options.context : std::min(source.config.context, kDefaultContext);
      ROTOR_ASSIGN(model,
                   load_for_cpu(std::move(source), load, std::nullopt, executor_options, pool));
    }
    executor_options.kv_sequences = std::max<size_t>(1, options.sequences);
    ROTOR_ASSIGN(std::unique_ptr<Executor> executor, make_cpu_executor(model, executor_options));
    return LanguageModel(std::make_unique<Parts>(std::move(model), std::move(executor),
                                                 executor_options.kv_positions));
  });
}

const std::vector<std::string>& LanguageModel::warnings() const { return parts_->model->warnings; }

const std::vector<TokenId>& LanguageModel::end_of_generation() const {
  return parts_->model->end_of_generation;
}

size_t LanguageModel::vocabulary() const { return parts_->model->config.vocab; }

size_t LanguageModel::hidden_size() const { return parts_->model->config.hidden; }

size_t LanguageModel::context() const { return parts_->context; }

Result<std::vector<TokenId>> LanguageModel::encode(std::string_view text) const {
  if (parts_->model->tokenizer == nullptr) {
    return unsupported(parts_->model->path + ": holds no tokenizer");
  }
  return without_exceptions([&] { return parts_->model->tokenizer->encode(text); });
}

Result<std::vector<TokenId>> LanguageModel::encode_chat(
    std::span<const ChatMessage> messages) const {
  return without_exceptions([&] { return encode_messages(*parts_->model, messages); });
}

Result<std::string> LanguageModel::decode(std::span<const TokenId> tokens) const {
  if (parts_->model->tokenizer == nullptr) {
    return unsupported(parts_->model->path + ": holds no tokenizer");
  }
  return without_exceptions([&] { return parts_->model->tokenizer->decode(tokens, true); });
}

Result<std::shared_ptr<const LoraAdapter>> LanguageModel::load_lora(
    const std::string& folder) const {
  return without_exceptions([&] { return LoraAdapter::open(folder, parts_->model->config); });
}

Status LanguageModel::set_lora(LoraSet set) {
  return without_exceptions([&]() -> Status {
    ROTOR_TRY(check_lora(set, parts_->model->config));
    parts_->executor->kv_pool().set_lora(std::make_shared<const LoraSet>(std::move(set)));
    return {};
  });
}

Result<GenerationResult> LanguageModel::generate(const GenerationRequest& request,
                                                 const GenerationCallback& on_event) {
  return parts_->cancellable(
      [&] { return parts_->session.generate(request, on_event, &parts_->cancel); });
}

Status LanguageModel::logits(std::span<const TokenId> tokens, const LogitsCallback& on_logits) {
  return parts_->cancellable([&] { return parts_->logits(tokens, on_logits); });
}

Status LanguageModel::hidden_states(std::span<const TokenId> tokens,
                                    const HiddenCallback& on_hidden) {
  return parts_->cancellable([&] { return parts_->hidden_states(tokens, on_hidden); });
}

Result<std::vector<float>> LanguageModel::embed(std::span<const TokenId> tokens, bool normalized) {
  return parts_->cancellable([&] { return parts_->embed(tokens, normalized); });
}

void LanguageModel::cancel() { parts_->cancel.cancel(); }

}  // namespace rotor
