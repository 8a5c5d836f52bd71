// SPDX-License-Identifier: Apache-2.0
#include "choice_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>

#include "base/json.h"

namespace rotor::cli {
namespace {

constexpr std::array kContexts = {"query", "context", "ctx", "question", "prompt"};
constexpr std::array kChoices = {"choices", "endings", "options"};
constexpr std::array kGold = {"gold", "label", "answer", "answerKey", "target"};

// The first of `names` that the object has.
template <typename Names>
std::optional<JsonValue> first_member(JsonValue object, const Names& names) {
  for (const char* name : names) {
    if (const auto value = json_member(object, name)) {
      return value;
    }
  }
  return std::nullopt;
}

std::optional<std::vector<std::string>> texts(std::optional<JsonValue> value) {
  JsonArray array;
  if (!value || value->get_array().get(array) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  std::vector<std::string> out;
  for (const JsonValue element : array) {
    std::string_view text;
    if (element.get_string().get(text) != simdjson::SUCCESS || text.empty()) {
      return std::nullopt;
    }
    out.emplace_back(text);
  }
  return out.empty() ? std::nullopt : std::optional(std::move(out));
}

// The number of the right choice: itself, or that of its label, or of its text.
std::optional<size_t> right_choice(JsonValue gold, const std::vector<std::string>& labels,
                                   const std::vector<std::string>& choices) {
  uint64_t number = 0;
  if (gold.get_uint64().get(number) == simdjson::SUCCESS) {
    return number < choices.size() ? std::optional<size_t>(number) : std::nullopt;
  }
  std::string_view text;
  if (gold.get_string().get(text) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  const auto place = [&](const std::vector<std::string>& list) -> std::optional<size_t> {
    const auto found = std::find(list.begin(), list.end(), text);
    return found == list.end() ? std::nullopt
                               : std::optional(static_cast<size_t>(found - list.begin()));
  };
  if (!labels.empty()) {
    return place(labels);
  }
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && stop == text.data() + text.size()) {
    return number < choices.size() ? std::optional<size_t>(number) : std::nullopt;
  }
  if (text.size() == 1 && text[0] >= 'A' && static_cast<size_t>(text[0] - 'A') < choices.size()) {
    return static_cast<size_t>(text[0] - 'A');
  }
  return place(choices);
}

Result<ChoiceQuestion> parse_question(std::string_view line, const std::string& where) {
  Result<JsonDocument> document = JsonDocument::parse(line, where);
  if (!document.ok()) {
    return invalid_argument(document.status().message());
  }
  const JsonValue root = document->root();
  ChoiceQuestion question;
  const auto context = first_member(root, kContexts);
  std::string_view text;
  if (!context || context->get_string().get(text) != simdjson::SUCCESS) {
    return invalid_argument(where + ": expected the text of a question as query, context, ctx, "
                            "question or prompt");
  }
  question.context = text;
  const auto list = first_member(root, kChoices);
  const bool labelled = list && list->is_object();
  auto choices = texts(labelled ? json_member(*list, "text") : list);
  auto labels = labelled ? texts(json_member(*list, "label")) : std::nullopt;
  if (!choices || (labels && labels->size() != choices->size())) {
    return invalid_argument(where + ": expected the choices as choices, endings or options: texts, "
                            "none empty, or an object with text and label");
  }
  question.choices = *std::move(choices);
  const auto gold = first_member(root, kGold);
  const auto right = gold ? right_choice(*gold, labels.value_or(std::vector<std::string>()),
                                         question.choices)
                          : std::nullopt;
  if (!right) {
    return invalid_argument(fmt::format("{}: expected the right one of {} choices as gold, label, "
                                        "answer, answerKey or target",
                                        where, question.choices.size()));
  }
  question.gold = *right;
  return question;
}

}  // namespace

Result<std::vector<ChoiceQuestion>> parse_questions(const std::string& text, const std::string& name,
                                                    size_t limit) {
  std::vector<ChoiceQuestion> questions;
  size_t number = 0;
  for (size_t begin = 0; begin < text.size() && (limit == 0 || questions.size() < limit);) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == line.npos) {
      continue;
    }
    ROTOR_ASSIGN(ChoiceQuestion question,
                 parse_question(line, fmt::format("{}, line {}", name, number)));
    questions.push_back(std::move(question));
  }
  if (questions.empty()) {
    return invalid_argument(name + ": holds no question");
  }
  return questions;
}

}  // namespace rotor::cli
