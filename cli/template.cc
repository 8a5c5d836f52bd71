// SPDX-License-Identifier: Apache-2.0
// rotor template: the prompt that a chat template makes of a conversation.
#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <boost/json.hpp>
#include <memory>

#include "base/json.h"
#include "commands.h"
#include "engine/chat_prompt.h"
#include "exit_code.h"
#include "model/text_source.h"
#include "model_options.h"
#include "output.h"
#include "text_input.h"

namespace rotor::cli {
namespace {

struct TemplateOptions {
  ModelOptions model;
  std::string file;
  std::string context;
  bool json = false;
};

constexpr uint64_t kMaxTemplateBytes = uint64_t{1} << 20;
constexpr uint64_t kMaxContextBytes = uint64_t{64} << 20;

// The template's source, the file or model it comes from, and the model's tokenizer.
struct TemplateSource {
  std::string name;
  std::string source;
  std::optional<Tokenizer> tokenizer;
};

Result<TemplateSource> open_template(const TemplateOptions& options) {
  TemplateSource out;
  if (!options.file.empty()) {
    out.name = options.file;
    ROTOR_ASSIGN(out.source, read_text_input(options.file, kMaxTemplateBytes));
    return out;
  }
  ROTOR_ASSIGN(out.name, resolve_model(options.model.model, Purpose::kChat));
  ROTOR_ASSIGN(const SourceOptions source, source_options(options.model));
  ROTOR_ASSIGN(TextSource text, open_text_source(out.name, source.overrides));
  if (text.chat_template.empty()) {
    return format_error(out.name + ": holds no chat template");
  }
  out.source = std::move(text.chat_template);
  if (text.tokenizer) {
    ROTOR_ASSIGN(Tokenizer tokenizer, Tokenizer::create(*std::move(text.tokenizer)));
    out.tokenizer.emplace(std::move(tokenizer));
  }
  return out;
}

void print(const RenderedText& rendered, bool json) {
  if (!json) {
    write_output(rendered.text);
    return;
  }
  boost::json::array spans;
  for (const Span& span : rendered.spans) {
    spans.push_back({{"length", span.length}, {"from_template", span.from_template}});
  }
  const boost::json::object out = {{"text", rendered.text}, {"spans", std::move(spans)}};
  write_json(out);
}

Status render(const TemplateOptions& options) {
  ROTOR_ASSIGN(TemplateSource source, open_template(options));
  const Result<ChatTemplate> chat = ChatTemplate::parse(std::move(source.source));
  if (!chat.ok()) {
    return Status(chat.status()).with_context(source.name);
  }
  ROTOR_ASSIGN(const std::string text, read_text_input(options.context, kMaxContextBytes));
  ROTOR_ASSIGN(const JsonDocument context, JsonDocument::parse(text, options.context));
  const Result<RenderedText> rendered = chat->render(
      context.root(), trusted_variables(source.tokenizer ? &*source.tokenizer : nullptr));
  if (!rendered.ok()) {
    return Status(rendered.status()).with_context(source.name);
  }
  print(*rendered, options.json);
  return {};
}

}  // namespace

void add_template_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<TemplateOptions>();
  CLI::App* command = app.add_subcommand("template", "print the prompt a chat template makes");
  add_model_argument(*command, options->model);
  command->add_option("--file", options->file, "Jinja template to use instead of a model's");
  command
      ->add_option("--context", options->context,
                   "JSON object with the variables messages, tools, ...; -: standard input")
      ->required();
  command->add_flag("--json", options->json, "print text and where each byte came from as JSON");
  command->footer(
      "Examples:\n"
      "  echo '{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}' > chat.json\n"
      "  echo '{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}' > chat.jinja\n"
      "  rotor template --file chat.jinja --context chat.json\n"
      "  cat chat.json | rotor template MODEL --context -");
  command->callback([options, &exit_code] {
    const Status status = render(*options);
    exit_code = status.ok() ? kExitOk : fail(status);
  });
}

}  // namespace rotor::cli
