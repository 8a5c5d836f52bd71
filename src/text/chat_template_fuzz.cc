// SPDX-License-Identifier: Apache-2.0
// Fuzz target of the chat template interpreter. The input is a template, a zero byte, and a JSON
// context; without a zero byte the first half is the template. Whatever it is, the result is text
// whose spans fit, or an error with a message.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/json.h"
#include "text/chat_template.h"
#include "text/unicode.h"

namespace {

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

void check(const rotor::Result<rotor::RenderedText>& rendered) {
  if (!rendered.ok()) {
    require(rendered.status().code() == rotor::Code::kInvalidArgument ||
            !rendered.status().message().empty());
    return;
  }
  size_t total = 0;
  for (const rotor::Span& span : rendered->spans) {
    require(span.length > 0);
    total += span.length;
  }
  require(total == rendered->text.size());
  require(rotor::valid_utf8_prefix(rendered->text) == rendered->text.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t zero = input.find('\0');
  const bool has_zero = zero != std::string_view::npos;
  const std::string_view source = input.substr(0, has_zero ? zero : size / 2);
  const std::string_view json = input.substr(has_zero ? zero + 1 : size / 2);
  const rotor::Result<rotor::ChatTemplate> parsed = rotor::ChatTemplate::parse(std::string(source));
  if (!parsed.ok()) {
    require(!parsed.status().message().empty());
    return 0;
  }
  rotor::RenderOptions options;
  options.limits.max_steps = 100'000;
  options.limits.max_memory = size_t{16} << 20;
  options.special_tokens = {{"bos_token", "<s>"}};
  const rotor::ChatMessage message{"user", "hello"};
  check(parsed->render_messages({&message, 1}, true, options));
  const rotor::Result<rotor::JsonDocument> context = rotor::JsonDocument::parse(json, "context");
  if (context.ok()) {
    check(parsed->render(context->root(), options));
  }
  return 0;
}
