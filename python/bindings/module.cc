// SPDX-License-Identifier: Apache-2.0
// rotor._core: the C++ library in Python, as it is. python/rotor/model.py makes it convenient.
//
// Threads: every call that computes releases the interpreter lock and waits for the model's own lock,
// so a model may be shared. Ctrl-C is looked at twenty times a second while a call runs.
#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>
#include <rotor/language_model.h>

#include <charconv>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "arrays.h"
#include "errors.h"
#include "event_stream.h"
#include "hub.h"
#include "kernel_ops.h"
#include "model_file.h"
#include "packed_matrix_module.h"
#include "shared_model.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace rotor::python {
namespace {

using Biases = std::vector<std::pair<TokenId, float>>;
using Messages = std::vector<std::pair<std::string, std::string>>;

// An adapter, and where it was read from.
struct LoadedLora {
  std::string path;
  std::shared_ptr<const LoraAdapter> adapter;
};
using Loras = std::vector<std::pair<LoadedLora, float>>;

LoraSet to_set(const Loras& loras) {
  LoraSet set;
  for (const auto& [lora, scale] : loras) {
    set.push_back({lora.adapter, scale});
  }
  return set;
}

// The shortest decimal that rounds to `value`, as signatures show it.
double decimal(float value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  double result = 0;
  std::from_chars(text, end, result);
  return result;
}

std::vector<LogitBias> to_biases(const Biases& biases) {
  std::vector<LogitBias> out;
  for (const auto& [token, bias] : biases) {
    out.push_back({token, bias});
  }
  return out;
}

Biases logit_bias(const SamplingParams& params) {
  Biases out;
  for (const auto& [token, bias] : params.logit_bias) {
    out.emplace_back(token, bias);
  }
  return out;
}

SamplingParams sampling_params(float temperature, int32_t top_k, float top_p, float min_p,
                               float typical_p, int32_t repeat_last_n, float repeat_penalty,
                               float presence_penalty, float frequency_penalty, uint64_t seed,
                               const Biases& logit_bias) {
  SamplingParams params;
  params.temperature = temperature;
  params.top_k = top_k;
  params.top_p = top_p;
  params.min_p = min_p;
  params.typical_p = typical_p;
  params.repeat_last_n = repeat_last_n;
  params.repeat_penalty = repeat_penalty;
  params.presence_penalty = presence_penalty;
  params.frequency_penalty = frequency_penalty;
  params.seed = seed;
  params.logit_bias = to_biases(logit_bias);
  return params;
}

void bind_sampling(nb::module_& module) {
  const SamplingParams defaults;
  nb::class_<SamplingParams>(module, "SamplingParams",
                             "How a token is chosen from a model's logits; docs/sampling.md.")
      .def(
          "__init__",
          [](SamplingParams* self, float temperature, int32_t top_k, float top_p, float min_p,
             float typical_p, int32_t repeat_last_n, float repeat_penalty, float presence_penalty,
             float frequency_penalty, uint64_t seed, const Biases& logit_bias) {
            new (self) SamplingParams(sampling_params(
                temperature, top_k, top_p, min_p, typical_p, repeat_last_n, repeat_penalty,
                presence_penalty, frequency_penalty, seed, logit_bias));
          },
          nb::kw_only(), "temperature"_a = decimal(defaults.temperature), "top_k"_a = defaults.top_k,
          "top_p"_a = decimal(defaults.top_p), "min_p"_a = decimal(defaults.min_p), "typical_p"_a = decimal(defaults.typical_p),
          "repeat_last_n"_a = defaults.repeat_last_n, "repeat_penalty"_a = decimal(defaults.repeat_penalty),
          "presence_penalty"_a = decimal(defaults.presence_penalty),
          "frequency_penalty"_a = decimal(defaults.frequency_penalty), "seed"_a = defaults.seed,
          "logit_bias"_a = nb::list())
      .def_rw("temperature", &SamplingParams::temperature)
      .def_rw("top_k", &SamplingParams::top_k)
      .def_rw("top_p", &SamplingParams::top_p)
      .def_rw("min_p", &SamplingParams::min_p)
      .def_rw("typical_p", &SamplingParams::typical_p)
      .def_rw("repeat_last_n", &SamplingParams::repeat_last_n)
      .def_rw("repeat_penalty", &SamplingParams::repeat_penalty)
      .def_rw("presence_penalty", &SamplingParams::presence_penalty)
      .def_rw("frequency_penalty", &SamplingParams::frequency_penalty)
      .def_rw("seed", &SamplingParams::seed)
      .def_prop_rw("logit_bias", &logit_bias,
                   [](SamplingParams& params, const Biases& biases) {
                     params.logit_bias = to_biases(biases);
                   });
}

void bind_lora(nb::module_& module) {
  nb::class_<LoadedLora>(module, "LoraAdapter", "A low-rank adapter, read for a model.")
      .def_ro("path", &LoadedLora::path)
      .def("__repr__",
           [](const LoadedLora& lora) { return "<rotor.LoraAdapter " + lora.path + ">"; });
}

void bind_request(nb::module_& module) {
  nb::class_<GenerationRequest>(module, "GenerationRequest", "A prompt and what is wanted of it.")
      .def(nb::init<>())
      .def_rw("prompt", &GenerationRequest::prompt)
      .def_rw("max_new_tokens", &GenerationRequest::max_new_tokens)
      .def_rw("sampling", &GenerationRequest::sampling)
      .def_rw("answers", &GenerationRequest::answers)
      .def_rw("stop", &GenerationRequest::stop)
      .def_rw("end_of_generation", &GenerationRequest::end_of_generation)
      .def_rw("log_probabilities", &GenerationRequest::log_probabilities)
      .def_rw("speculate", &GenerationRequest::speculate)
      .def_rw("beam_width", &GenerationRequest::beam_width)
      .def_rw("length_penalty", &GenerationRequest::length_penalty)
      .def(
          "set_lora",
          [](GenerationRequest& request, const Loras& loras) { request.lora = to_set(loras); },
          "loras"_a);
}

void bind_results(nb::module_& module) {
  nb::class_<GeneratedAnswer>(module, "GeneratedAnswer", "One answer.")
      .def_ro("tokens", &GeneratedAnswer::tokens)
      .def_prop_ro("text",
                   [](const GeneratedAnswer& answer) {
                     return nb::str(answer.text.data(), answer.text.size());
                   })
      .def_ro("log_probabilities", &GeneratedAnswer::log_probabilities)
      .def_ro("score", &GeneratedAnswer::score)
      .def_prop_ro("finish_reason", [](const GeneratedAnswer& answer) {
        return std::string(finish_reason_name(answer.finish_reason));
      });
  nb::class_<GenerationStats>(module, "GenerationStats", "Counts and times of a generation.")
      .def_ro("prompt_tokens", &GenerationStats::prompt_tokens)
      .def_ro("cached_tokens", &GenerationStats::cached_tokens)
      .def_ro("generated_tokens", &GenerationStats::generated_tokens)
      .def_ro("drafted_tokens", &GenerationStats::drafted_tokens)
      .def_ro("accepted_tokens", &GenerationStats::accepted_tokens)
      .def_ro("prompt_seconds", &GenerationStats::prompt_seconds)
      .def_ro("generation_seconds", &GenerationStats::generation_seconds);
  nb::class_<GenerationResult>(module, "GenerationResult", "All answers to a request.")
      .def_ro("answers", &GenerationResult::answers)
      .def_ro("stats", &GenerationResult::stats);
}

// Has `work` done by the model in its turn, interruptibly.
template <typename Work>
void call(SharedModel& model, const Work& work) {
  Ticket ticket;
  check(run_interruptibly<Status>([&] { return model.call<Status>(ticket, work); },
                                  [&] { model.withdraw(ticket); }));
}

LoadedLora load_lora(const SharedModel& model, const std::string& path) {
  using Adapter = std::shared_ptr<const LoraAdapter>;
  return {path, value_of(run_interruptibly<Result<Adapter>>(
                    [&] { return model.about().load_lora(path); }, [] {}))};
}

Array<float, 2> logits(SharedModel& model, const std::vector<TokenId>& tokens, size_t rows,
                       const Loras& loras) {
  model.check_usable();
  if (rows == 0 || rows > tokens.size()) {
    throw nb::value_error(("rows: expected 1 to " + std::to_string(tokens.size()) + " (the tokens), got " +
                           std::to_string(rows)).c_str());
  }
  const size_t vocabulary = model.about().vocabulary();
  std::vector<float> values;
  values.reserve(rows * vocabulary);
  call(model, [&](LanguageModel& shared) -> Status {
    ROTOR_TRY(shared.set_lora(to_set(loras)));
    return shared.logits(tokens, [&](size_t i, std::span<const float> row) {
      if (i + rows >= tokens.size()) {
        values.insert(values.end(), row.begin(), row.end());
      }
    });
  });
  return array_of<float, 2>(std::move(values), {rows, vocabulary});
}

Array<float, 2> hidden_states(SharedModel& model, const std::vector<TokenId>& tokens,
                              const Loras& loras) {
  model.check_usable();
  std::vector<float> values;
  call(model, [&](LanguageModel& shared) -> Status {
    ROTOR_TRY(shared.set_lora(to_set(loras)));
    return shared.hidden_states(tokens, [&](size_t, std::span<const float> row) {
      values.insert(values.end(), row.begin(), row.end());
    });
  });
  return array_of<float, 2>(std::move(values), {tokens.size(), model.about().hidden_size()});
}

Array<float, 2> embed(SharedModel& model, const std::vector<std::vector<TokenId>>& texts,
                      bool normalized, const Loras& loras) {
  model.check_usable();
  std::vector<float> values;
  for (const std::vector<TokenId>& tokens : texts) {
    call(model, [&](LanguageModel& shared) -> Status {
      ROTOR_TRY(shared.set_lora(to_set(loras)));
      ROTOR_ASSIGN(const std::vector<float> vector, shared.embed(tokens, normalized));
      values.insert(values.end(), vector.begin(), vector.end());
      return {};
    });
  }
  return array_of<float, 2>(std::move(values), {texts.size(), model.about().hidden_size()});
}

std::vector<TokenId> encode_chat(const SharedModel& model, const Messages& messages) {
  std::vector<ChatMessage> chat;
  for (const auto& [role, content] : messages) {
    chat.push_back({role, content});
  }
  return value_of(model.about().encode_chat(chat));
}

void bind_model(nb::module_& module) {
  nb::class_<SharedModel>(module, "LanguageModel", "A model file, loaded and ready to write text.")
      .def_static(
          "open",
          [](const std::string& path, size_t threads, size_t context, size_t sequences,
             bool every_logit, const std::string& kv) {
            const auto work = [&] {
              return LanguageModel::open(path, {.threads = threads,
                                                .context = context,
                                                .sequences = sequences,
                                                .every_logit = every_logit,
                                                .kv = kv});
            };
            return std::make_shared<SharedModel>(
                value_of(run_interruptibly<Result<LanguageModel>>(work, [] {})));
          },
          "path"_a, nb::kw_only(), "threads"_a = 0, "context"_a = 0, "sequences"_a = 1,
          "every_logit"_a = false, "kv"_a = "f16")
      .def_prop_ro("vocabulary", [](const SharedModel& model) { return model.about().vocabulary(); })
      .def_prop_ro("hidden_size", [](const SharedModel& model) { return model.about().hidden_size(); })
      .def_prop_ro("context", [](const SharedModel& model) { return model.about().context(); })
      .def_prop_ro("warnings", [](const SharedModel& model) { return model.about().warnings(); })
      .def_prop_ro("end_of_generation",
                   [](const SharedModel& model) { return model.about().end_of_generation(); })
      .def(
          "encode",
          [](const SharedModel& model, std::string_view text) {
            return value_of(model.about().encode(text));
          },
          "text"_a)
      .def("encode_chat", &encode_chat, "messages"_a)
      .def(
          "decode",
          [](const SharedModel& model, const std::vector<TokenId>& tokens) {
            const std::string text = value_of(model.about().decode(tokens));
            return nb::bytes(text.data(), text.size());
          },
          "tokens"_a)
      .def(
          "generate",
          [](const std::shared_ptr<SharedModel>& model, const GenerationRequest& request,
             nb::object processor) {
            model->check_usable();
            return std::make_unique<EventStream>(model, request, std::move(processor));
          },
          "request"_a, "logits_processor"_a = nb::none(),
          nb::sig("def generate(self, request: GenerationRequest, logits_processor: "
                  "collections.abc.Callable[[NDArray[numpy.int32], NDArray[numpy.float32]], object] | "
                  "None = None) -> EventStream"))
      .def("load_lora", &load_lora, "path"_a)
      .def("logits", &logits, "tokens"_a, "rows"_a, "loras"_a = Loras())
      .def("hidden_states", &hidden_states, "tokens"_a, "loras"_a = Loras())
      .def("embed", &embed, "texts"_a, "normalized"_a = true, "loras"_a = Loras());
  module.def("shut_down", &SharedModel::shut_down);
  nb::module_::import_("atexit").attr("register")(module.attr("shut_down"));
}

void bind_events(nb::module_& module) {
  using Event = EventStream::Event;
  nb::class_<Event>(module, "Event", "A token of an answer, or its end.")
      .def_ro("answer", &Event::answer)
      .def_ro("token", &Event::token)
      .def_prop_ro("text", [](const Event& event) { return nb::str(event.text.data(), event.text.size()); })
      .def_ro("log_probability", &Event::log_probability)
      .def_prop_ro("finish_reason",
                   [](const Event& event) { return std::string(finish_reason_name(event.finish_reason)); });
  nb::class_<EventStream>(module, "EventStream", "An iterator over the events of a generation.")
      .def("__iter__", [](nb::handle self) { return self; },
           nb::sig("def __iter__(self) -> EventStream"))
      .def("__next__",
           [](EventStream& stream) {
             std::optional<Event> event = stream.next();
             if (!event) {
               throw nb::stop_iteration();
             }
             return *std::move(event);
           })
      .def("close", &EventStream::close)
      .def_prop_ro("result", &EventStream::result, nb::rv_policy::reference_internal,
                   nb::for_getter(nb::sig("def result(self) -> GenerationResult | None")));
}

}  // namespace
}  // namespace rotor::python

NB_MODULE(_core, module) {
  module.doc() = "Rotor's C++ library.";
  module.attr("version") = ROTOR_VERSION;
  rotor::python::bind_errors();
  rotor::python::bind_sampling(module);
  rotor::python::bind_lora(module);
  rotor::python::bind_request(module);
  rotor::python::bind_results(module);
  rotor::python::bind_events(module);
  rotor::python::bind_model(module);
  rotor::python::bind_packed_matrix(module);
  rotor::python::bind_hub(module);
  rotor::python::bind_kernel_ops(module);
  rotor::python::bind_model_file(module);
}
