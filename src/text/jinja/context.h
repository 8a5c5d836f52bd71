// SPDX-License-Identifier: Apache-2.0
// The variables of a rendering as values. All of it is input: nothing here counts as template.
#pragma once

#include <rotor/status.h>

#include <span>

#include "base/json_value.h"
#include "text/chat_template.h"
#include "text/jinja/value.h"

namespace rotor::jinja {

// The members of a JSON object; an error for any other value, for nesting deeper than kMaxNesting,
// and for integers beyond 64 bits with sign.
Result<Dict> variables_from_json(JsonValue context);

// messages = [{role, content}, ...] and add_generation_prompt. kFormatError for text that is not
// UTF-8.
Result<Dict> variables_from_messages(std::span<const ChatMessage> messages,
                                     bool add_generation_prompt);

}  // namespace rotor::jinja
