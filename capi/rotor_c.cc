// SPDX-License-Identifier: Apache-2.0
// Translates between C and <rotor/language_model.h>, and lets no exception through.
#include <rotor/language_model.h>
#include <rotor/rotor_c.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <utility>
#include <vector>

struct rotor_model {
  rotor::LanguageModel model;
};

struct rotor_lora {
  std::shared_ptr<const rotor::LoraAdapter> adapter;
};

namespace {

using rotor::Code;
using rotor::Result;
using rotor::Status;

static_assert(static_cast<rotor_code>(Code::kOk) == ROTOR_OK);
static_assert(static_cast<rotor_code>(Code::kFormatError) == ROTOR_FORMAT_ERROR);
static_assert(static_cast<rotor_code>(Code::kOutOfPages) == ROTOR_OUT_OF_PAGES);
static_assert(static_cast<rotor_code>(Code::kInternal) == ROTOR_INTERNAL);
static_assert(static_cast<int>(rotor::FinishReason::kStop) == ROTOR_FINISH_STOP);
static_assert(static_cast<int>(rotor::FinishReason::kCancelled) == ROTOR_FINISH_CANCELLED);
static_assert(static_cast<int>(rotor::EarlyStopping::kNever) == 2);

thread_local std::string last_error;

// The code of what `work` returns or throws; the message is kept for rotor_last_error().
template <typename Work>
rotor_code guarded(const Work& work) noexcept {
  const char* unsaid = "the system has no more memory";
  Code code = Code::kOutOfMemory;
  try {
    const Status status = work();
    if (status.ok()) {
      return ROTOR_OK;
    }
    code = status.code();
    last_error = status.message();
    return static_cast<rotor_code>(code);
  } catch (const std::bad_alloc&) {
  } catch (...) {
    code = Code::kInternal;
    unsaid = "an exception left a callback";
  }
  try {
    last_error = unsaid;
  } catch (...) {
    last_error.clear();
  }
  return static_cast<rotor_code>(code);
}

Status needs(bool given, const char* what) {
  return given ? Status() : rotor::invalid_argument(std::string(what) + " is NULL");
}

// The caller's struct over the defaults in `out`: fields that it lacks keep them.
template <typename Struct>
Status take(const Struct* from, const char* name, Struct& out) {
  if (from->size < sizeof(from->size) || from->size > sizeof(Struct)) {
    return rotor::invalid_argument(std::string(name) + ".size is " + std::to_string(from->size) +
                                   ", this library knows up to " + std::to_string(sizeof(Struct)));
  }
  std::memcpy(static_cast<void*>(&out), from, from->size);
  out.size = sizeof(Struct);
  return {};
}

// `values` into the caller's buffer, by the rule of the header.
template <typename Values, typename Item>
Status give(const Values& values, Item* out, size_t capacity, size_t* count) {
  *count = values.size();
  if (capacity == 0) {
    return {};
  }
  if (capacity < values.size()) {
    return rotor::invalid_argument("capacity: expected at least " + std::to_string(values.size()) +
                                   " or 0, got " + std::to_string(capacity));
  }
  ROTOR_TRY(needs(out != nullptr, "the buffer"));
  std::copy(values.begin(), values.end(), out);
  return {};
}

rotor::SamplingParams sampling_of(const rotor_request& from) {
  rotor::SamplingParams sampling;
  sampling.temperature = from.temperature;
  sampling.top_k = from.top_k;
  sampling.top_p = from.top_p;
  sampling.min_p = from.min_p;
  sampling.typical_p = from.typical_p;
  sampling.repeat_last_n = from.repeat_last_n;
  sampling.repeat_penalty = from.repeat_penalty;
  sampling.presence_penalty = from.presence_penalty;
  sampling.frequency_penalty = from.frequency_penalty;
  sampling.seed = from.seed;
  for (size_t i = 0; i < from.logit_bias_count; ++i) {
    sampling.logit_bias.push_back({from.logit_bias[i].token, from.logit_bias[i].bias});
  }
  return sampling;
}

Result<rotor::GenerationRequest> request_of(const rotor_request& from,
                                            const rotor::LanguageModel& model) {
  ROTOR_TRY(needs(from.prompt != nullptr || from.prompt_tokens == 0, "request.prompt"));
  ROTOR_TRY(needs(from.stop != nullptr || from.stop_count == 0, "request.stop"));
  ROTOR_TRY(needs(from.logit_bias != nullptr || from.logit_bias_count == 0, "request.logit_bias"));
  if (from.early_stopping < 0 || from.early_stopping > 2) {
    return rotor::invalid_argument("request.early_stopping: expected 0, 1 or 2, got " +
                                   std::to_string(from.early_stopping));
  }
  rotor::GenerationRequest request;
  request.prompt.assign(from.prompt, from.prompt + from.prompt_tokens);
  request.max_new_tokens = from.max_new_tokens;
  request.sampling = sampling_of(from);
  request.answers = from.answers;
  for (size_t i = 0; i < from.stop_count; ++i) {
    ROTOR_TRY(needs(from.stop[i] != nullptr, "a string of request.stop"));
    request.stop.emplace_back(from.stop[i]);
  }
  if (from.ignore_end == 0) {
    request.end_of_generation = model.end_of_generation();
  }
  request.log_probabilities = from.log_probabilities != 0;
  request.speculate = from.speculate != 0;
  request.beam_width = from.beam_width;
  request.length_penalty = from.length_penalty;
  request.early_stopping = static_cast<rotor::EarlyStopping>(from.early_stopping);
  return request;
}

rotor_stats stats_of(const rotor::GenerationStats& from) {
  return {sizeof(rotor_stats),  from.prompt_tokens,   from.cached_tokens,  from.generated_tokens,
          from.drafted_tokens,  from.accepted_tokens, from.prompt_seconds, from.generation_seconds};
}

Status generate(rotor_model& owner, const rotor_request& asked, rotor_event_callback callback,
                void* user, rotor_stats* stats) {
  ROTOR_ASSIGN(const rotor::GenerationRequest request, request_of(asked, owner.model));
  std::string text;
  const auto on_event = [&](const rotor::GenerationEvent& event) {
    if (callback == nullptr) {
      return;
    }
    text.assign(event.text);
    const rotor_event out = {sizeof(rotor_event), event.answer,
                             event.token,         text.c_str(),
                             text.size(),         event.log_probability,
                             static_cast<rotor_finish_reason>(event.finish_reason)};
    if (callback(&out, user) != 0) {
      owner.model.cancel();
    }
  };
  ROTOR_ASSIGN(const rotor::GenerationResult result, owner.model.generate(request, on_event));
  for (size_t i = 0; asked.scores != nullptr && i < result.answers.size(); ++i) {
    asked.scores[i] = result.answers[i].score;
  }
  if (stats != nullptr) {
    const size_t size = stats->size;
    const rotor_stats all = stats_of(result.stats);
    std::memcpy(stats, &all, size);
    stats->size = size;
  }
  return {};
}

}  // namespace

extern "C" {

uint32_t rotor_abi_version(void) { return ROTOR_ABI_VERSION; }

const char* rotor_version(void) { return ROTOR_VERSION; }

const char* rotor_code_name(rotor_code code) {
  return code < ROTOR_OK || code > ROTOR_INTERNAL
             ? "unknown"
             : rotor::code_name(static_cast<Code>(code)).data();  // of a literal
}

const char* rotor_last_error(void) { return last_error.c_str(); }

void rotor_open_options_init(rotor_open_options* options) {
  *options = {sizeof(rotor_open_options), 0, 0, 1, 0, nullptr};
}

rotor_code rotor_open(const char* path, const rotor_open_options* options, rotor_model** model) {
  return guarded([&]() -> Status {
    ROTOR_TRY(needs(path != nullptr, "path"));
    ROTOR_TRY(needs(model != nullptr, "model"));
    *model = nullptr;
    rotor_open_options all;
    rotor_open_options_init(&all);
    if (options != nullptr) {
      ROTOR_TRY(take(options, "options", all));
    }
    rotor::OpenOptions open = {.threads = all.threads,
                               .context = all.context,
                               .sequences = all.sequences,
                               .every_logit = all.every_logit != 0};
    if (all.kv != nullptr) {
      open.kv = all.kv;
    }
    ROTOR_ASSIGN(rotor::LanguageModel opened, rotor::LanguageModel::open(path, open));
    *model = new rotor_model{std::move(opened)};
    return {};
  });
}

void rotor_close(rotor_model* model) { delete model; }

rotor_code rotor_load_lora(const rotor_model* model, const char* folder, rotor_lora** lora) {
  *lora = nullptr;
  return guarded([&]() -> Status {
    ROTOR_TRY(needs(folder != nullptr, "folder"));
    ROTOR_ASSIGN(auto adapter, model->model.load_lora(folder));
    *lora = new rotor_lora{std::move(adapter)};
    return {};
  });
}

void rotor_free_lora(rotor_lora* lora) { delete lora; }

rotor_code rotor_set_loras(rotor_model* model, const rotor_lora* const* loras, const float* scales,
                           size_t count) {
  return guarded([&]() -> Status {
    ROTOR_TRY(needs(loras != nullptr || count == 0, "loras"));
    rotor::LoraSet set;
    for (size_t i = 0; i < count; ++i) {
      ROTOR_TRY(needs(loras[i] != nullptr, "an adapter of loras"));
      set.push_back({loras[i]->adapter, scales == nullptr ? 1.0f : scales[i]});
    }
    return model->model.set_lora(std::move(set));
  });
}

size_t rotor_vocabulary(const rotor_model* model) { return model->model.vocabulary(); }

size_t rotor_context(const rotor_model* model) { return model->model.context(); }

const int32_t* rotor_end_of_generation(const rotor_model* model, size_t* count) {
  const std::vector<rotor::TokenId>& tokens = model->model.end_of_generation();
  *count = tokens.size();
  return tokens.data();
}

const char* rotor_warning(const rotor_model* model, size_t index) {
  const std::vector<std::string>& warnings = model->model.warnings();
  return index < warnings.size() ? warnings[index].c_str() : nullptr;
}

rotor_code rotor_encode(const rotor_model* model, const char* text, size_t bytes, int32_t* tokens,
                        size_t capacity, size_t* count) {
  return guarded([&]() -> Status {
    ROTOR_TRY(needs(model != nullptr && count != nullptr, "model or count"));
    ROTOR_TRY(needs(text != nullptr || bytes == 0, "text"));
    *count = 0;
    ROTOR_ASSIGN(const std::vector<rotor::TokenId> ids, model->model.encode({text, bytes}));
    return give(ids, tokens, capacity, count);
  });
}

rotor_code rotor_encode_chat(const rotor_model* model, const rotor_message* messages,
                             size_t message_count, int32_t* tokens, size_t capacity, size_t* count) {
  return guarded([&]() -> Status {
    ROTOR_TRY(needs(model != nullptr && count != nullptr, "model or count"));
    ROTOR_TRY(needs(messages != nullptr || message_count == 0, "messages"));
    *count = 0;
    std::vector<rotor::ChatMessage> chat;
    for (const rotor_message& message : std::span(messages, message_count)) {
      ROTOR_TRY(needs(message.role != nullptr && message.content != nullptr, "a message's text"));
      chat.push_back({message.role, message.content});
    }
    ROTOR_ASSIGN(const std::vector<rotor::TokenId> ids, model->model.encode_chat(chat));
    return give(ids, tokens, capacity, count);
  });
}

rotor_code rotor_decode(const rotor_model* model, const int32_t* tokens, size_t token_count,
                        char* text, size_t capacity, size_t* bytes) {
  return guarded([&]() -> Status {
    ROTOR_TRY(needs(model != nullptr && bytes != nullptr, "model or bytes"));
    ROTOR_TRY(needs(tokens != nullptr || token_count == 0, "tokens"));
    *bytes = 0;
    ROTOR_ASSIGN(const std::string decoded, model->model.decode({tokens, token_count}));
    return give(decoded, text, capacity, bytes);
  });
}

void rotor_request_init(rotor_request* request) {
  const rotor::GenerationRequest defaults;
  const rotor::SamplingParams& sampling = defaults.sampling;
  rotor_request out{};
  out.size = sizeof(out);
  out.max_new_tokens = defaults.max_new_tokens;
  out.answers = defaults.answers;
  out.speculate = 1;
  out.temperature = sampling.temperature;
  out.top_k = sampling.top_k;
  out.top_p = sampling.top_p;
  out.min_p = sampling.min_p;
  out.typical_p = sampling.typical_p;
  out.repeat_last_n = sampling.repeat_last_n;
  out.repeat_penalty = sampling.repeat_penalty;
  out.presence_penalty = sampling.presence_penalty;
  out.frequency_penalty = sampling.frequency_penalty;
  out.beam_width = defaults.beam_width;
  out.length_penalty = defaults.length_penalty;
  *request = out;
}

rotor_code rotor_generate(rotor_model* model, const rotor_request* request,
                          rotor_event_callback callback, void* user, rotor_stats* stats) {
  return guarded([&]() -> Status {
    ROTOR_TRY(needs(model != nullptr && request != nullptr, "model or request"));
    rotor_request all;
    rotor_request_init(&all);
    ROTOR_TRY(take(request, "request", all));
    if (rotor_stats checked; stats != nullptr) {
      ROTOR_TRY(take(stats, "stats", checked));
    }
    return generate(*model, all, callback, user, stats);
  });
}

rotor_code rotor_logits(rotor_model* model, const int32_t* tokens, size_t token_count, size_t rows,
                        float* logits) {
  return guarded([&]() -> Status {
    ROTOR_TRY(needs(model != nullptr && tokens != nullptr && logits != nullptr,
                    "model, tokens or logits"));
    if (rows == 0 || rows > token_count) {
      return rotor::invalid_argument("rows: expected 1 to " + std::to_string(token_count) + ", got " +
                                     std::to_string(rows));
    }
    float* out = logits;
    return model->model.logits({tokens, token_count},
                               [&](size_t i, std::span<const float> row) {
                                 if (i + rows >= token_count) {
                                   out = std::copy(row.begin(), row.end(), out);
                                 }
                               });
  });
}

void rotor_cancel(rotor_model* model) { model->model.cancel(); }

}  // extern "C"
