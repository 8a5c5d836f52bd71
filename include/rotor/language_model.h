// SPDX-License-Identifier: Apache-2.0
// LanguageModel: a model file, loaded and ready to write text. The way into the library: open() it,
// encode() a prompt, generate().
#pragma once

#include <rotor/chat.h>
#include <rotor/generation.h>
#include <rotor/lora.h>
#include <rotor/status.h>
#include <rotor/token.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rotor {

struct OpenOptions {
  size_t threads = 0;    // 0: what the affinity mask and the control group allow
  size_t context = 0;    // most positions of prompt and answer; 0: the model's own, at most 4096
  size_t sequences = 1;  // room for so many answers at once; beam search needs two a beam
  // Keep the whole head in memory: quicker where every logit is asked for (logits(), beam search,
  // log-probabilities), at the cost of its bytes.
  bool every_logit = false;
  // Type of the key/value cache: "f16", "bf16", "f32", or "int8", which takes half of the memory of f16
  // and rounds more. Anything else: kInvalidArgument.
  std::string kv = "f16";
};

// The logits (vocabulary) of the token after the i-th one; valid in the call.
using LogitsCallback = std::function<void(size_t i, std::span<const float> logits)>;

// The activations (hidden size) of the i-th token; valid in the call.
using HiddenCallback = std::function<void(size_t i, std::span<const float> hidden)>;

// Owns the weights, the cache and a team of threads. Objects are independent of each other; one object
// is used by one thread at a time, but for cancel(). A model whose file has no tokenizer generates
// tokens without text.
class LanguageModel {
 public:
  // Opens a Hugging Face directory, a .safetensors, .gguf or .rotor file. kNotFound, kIoError,
  // kFormatError, kUnsupported or kOutOfMemory say which file, tensor and byte, and what to do.
  static Result<LanguageModel> open(const std::string& path, const OpenOptions& options = {});

  LanguageModel(LanguageModel&&) noexcept;
  LanguageModel& operator=(LanguageModel&&) noexcept;
  ~LanguageModel();

  // What was odd about the file and was repaired or guessed.
  const std::vector<std::string>& warnings() const;
  // Tokens with which the model says that it is done; for GenerationRequest::end_of_generation.
  const std::vector<TokenId>& end_of_generation() const;
  size_t vocabulary() const;
  size_t hidden_size() const;
  size_t context() const;

  // The text as tokens, begin-of-text first if the model wants it. Text never becomes a special token.
  Result<std::vector<TokenId>> encode(std::string_view text) const;
  // The conversation by the model's chat template, up to where the answer begins. Bytes of the messages
  // never become special tokens. kUnsupported when the file has no usable template.
  Result<std::vector<TokenId>> encode_chat(std::span<const ChatMessage> messages) const;
  // The bytes of the tokens joined, special tokens left out; need not be UTF-8.
  Result<std::string> decode(std::span<const TokenId> tokens) const;

  // Reads a low-rank adapter in PEFT's format, a folder with adapter_config.json and
  // adapter_model.safetensors. It may be used while this model exists, and with others of its shapes.
  // kNotFound, kIoError, kFormatError, kUnsupported or kOutOfMemory; kInvalidArgument when it is of
  // another model.
  Result<std::shared_ptr<const LoraAdapter>> load_lora(const std::string& folder) const;
  // The adapters that everything is computed with from now on, but for requests that name their own.
  // kInvalidArgument for a missing adapter, one of another model, or a scale that is not finite.
  Status set_lora(LoraSet set);

  // Answers request.prompt. What it has in common with the last prompt and answer, computed with the
  // same adapters, is not computed again. `on_event` is called from this thread, once a token.
  // Errors: see validate(); kOutOfPages when `sequences` was too small; kNotFinite.
  Result<GenerationResult> generate(const GenerationRequest& request,
                                    const GenerationCallback& on_event = {});

  // Computes `tokens` (1 .. context()) and calls `on_logits` once a token, in order. What generate()
  // had cached is forgotten. kInvalidArgument, kNotFinite, kCancelled.
  Status logits(std::span<const TokenId> tokens, const LogitsCallback& on_logits);

  // Computes `tokens` (1 .. context()) and calls `on_hidden` once a token, in order, with the normed
  // activations that the head would multiply. Forgets and fails as logits() does.
  Status hidden_states(std::span<const TokenId> tokens, const HiddenCallback& on_hidden);

  // The vector (hidden_size()) of a text's tokens: hidden_states() of the last, divided by its length if
  // `normalized`. kUnsupported where the model asks for another token's, or a mean.
  Result<std::vector<float>> embed(std::span<const TokenId> tokens, bool normalized = true);

  // Ends the generate(), logits() and so on that runs, within a layer's time: answers end with
  // kCancelled and what they have. From any thread or from a callback; nothing happens when nothing runs.
  void cancel();

 private:
  struct Parts;
  explicit LanguageModel(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace rotor
