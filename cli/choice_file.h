// SPDX-License-Identifier: Apache-2.0
// Questions in the shapes that JSONL files of multiple-choice sets have.
#pragma once

#include <rotor/status.h>

#include <string>
#include <vector>

#include "engine/multiple_choice.h"

namespace rotor::cli {

// One question a line; empty lines are skipped. The context is the member query, context, ctx,
// question or prompt; the choices are choices, endings or options, a list of texts or an object with
// the lists text and label; the right one is gold, label, answer, answerKey or target: its number
// from 0, its label, or its text. `name` is the file's, for messages. At most `limit` questions; 0:
// all. kInvalidArgument names line and member.
Result<std::vector<ChoiceQuestion>> parse_questions(const std::string& text, const std::string& name,
                                                    size_t limit);

}  // namespace rotor::cli
