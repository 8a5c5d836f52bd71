// SPDX-License-Identifier: Apache-2.0
// A conversation as the tokens that a model was trained to answer: its chat template rendered, and the
// text cut so that only what the template wrote may become control tokens.
#pragma once

#include <rotor/chat.h>
#include <rotor/status.h>
#include <rotor/token.h>

#include <span>
#include <vector>

#include "model/model.h"
#include "text/chat_template.h"

namespace rotor {

// The variables that a template trusts: bos_token and eos_token of the tokenizer, which may be null.
RenderOptions trusted_variables(const Tokenizer* tokenizer);

// Up to where the assistant's answer begins. kUnsupported when the model has no tokenizer or no usable
// template; kInvalidArgument, in the template's own words, for a conversation that it refuses.
Result<std::vector<TokenId>> encode_messages(const Model& model,
                                             std::span<const ChatMessage> messages);

}  // namespace rotor
