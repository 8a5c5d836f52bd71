// SPDX-License-Identifier: Apache-2.0
// The text side of a model file alone: its tokenizer and chat template, without looking at a weight.
#pragma once

#include <rotor/status.h>

#include <optional>
#include <string>
#include <span>
#include <vector>

#include "io/gguf.h"
#include "io/safetensors.h"
#include "text/tokenizer_spec.h"

namespace rotor {

struct TextSource {
  std::optional<TokenizerSpec> tokenizer;
  std::string chat_template;             // empty when there is none
  std::vector<std::string> notes;        // assumed, repaired
  std::vector<std::string> warnings;
};

// `path`: any model, a folder with tokenizer files only, a tokenizer.json, a tiktoken or SentencePiece
// tokenizer.model, or a GGUF file that holds only a vocabulary. `overrides` hold in place of the
// metadata of a GGUF file; kInvalidArgument for another.
Result<TextSource> open_text_source(const std::string& path,
                                    std::span<const GgufOverride> overrides = {});

// kInvalidArgument unless `overrides` is empty: `path` is no GGUF file.
Status refuse_overrides(const std::string& path, std::span<const GgufOverride> overrides);

// The same for containers that are open already; `folder` is a Hugging Face directory.
Result<TextSource> read_hf_text(const std::string& folder);
Result<TextSource> read_gguf_text(const GgufFile& file);
Result<TextSource> read_rotor_text(const SafetensorsFile& file);

}  // namespace rotor
