// SPDX-License-Identifier: Apache-2.0
// Model: everything a model file holds, loaded: config, weights, tokenizer, chat template, and what
// the loader found and repaired on the way. Immutable and shared by sessions and executors.
#pragma once

#include <rotor/status.h>
#include <rotor/token.h>

#include <memory>
#include <string>
#include <vector>

#include "model/config.h"
#include "model/generation_defaults.h"
#include "model/weights.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace rotor {

struct Model {
  std::string path;
  ModelConfig config;
  Weights weights;
  std::shared_ptr<const Tokenizer> tokenizer;      // null when the file holds none
  std::shared_ptr<const ChatTemplate> chat_template;  // null when the file holds none
  std::string chat_template_source;
  std::vector<TokenId> end_of_generation;          // ascending
  GenerationDefaults generation_defaults;
  std::vector<std::string> notes;                  // what was found, chosen and repaired
  std::vector<std::string> warnings;
};

}  // namespace rotor
