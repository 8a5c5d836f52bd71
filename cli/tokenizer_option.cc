// SPDX-License-Identifier: Apache-2.0
#include "tokenizer_option.h"

#include <utility>

#include "model/text_source.h"

namespace rotor::cli {

Result<Tokenizer> open_tokenizer(const ModelOptions& options) {
  ROTOR_ASSIGN(const std::string path, resolve_model(options.model));
  ROTOR_ASSIGN(const SourceOptions source, source_options(options));
  ROTOR_ASSIGN(TextSource text, open_text_source(path, source.overrides));
  if (!text.tokenizer) {
    return format_error(path + ": holds no tokenizer");
  }
  return Tokenizer::create(*std::move(text.tokenizer));
}

}  // namespace rotor::cli
