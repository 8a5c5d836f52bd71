// SPDX-License-Identifier: Apache-2.0
// Writes on from a prompt: minimal MODEL PROMPT
#include <rotor/language_model.h>

#include <cstdio>

namespace {

int fail(const rotor::Status& status) {
  std::fprintf(stderr, "minimal: %s\n", status.message().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return fail(rotor::invalid_argument("usage: minimal MODEL PROMPT"));
  rotor::Result<rotor::LanguageModel> model = rotor::LanguageModel::open(argv[1]);
  if (!model.ok()) return fail(model.status());
  const auto prompt = model->encode(argv[2]);
  if (!prompt.ok()) return fail(prompt.status());

  rotor::GenerationRequest request;
  request.prompt = *prompt;
  request.max_new_tokens = 64;
  request.end_of_generation = model->end_of_generation();
  const auto result = model->generate(request, [](const rotor::GenerationEvent& event) {
    std::fwrite(event.text.data(), 1, event.text.size(), stdout);
  });
  if (!result.ok()) return fail(result.status());
  std::puts("");
}
