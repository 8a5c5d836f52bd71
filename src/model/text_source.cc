// SPDX-License-Identifier: Apache-2.0
// Tokenizers and chat templates of all containers, with the repairs that the official GGUF file of
// BitNet b1.58 2B-4T needs.
#include "model/text_source.h"

#include <filesystem>
#include <utility>

#include "base/file.h"
#include "io/container.h"
#include "model/family.h"
#include "model/hf_config.h"
#include "model/rotor_names.h"
#include "text/gguf_vocabulary.h"
#include "text/sentencepiece_json.h"
#include "text/sentencepiece_model.h"
#include "text/sentencepiece_writer.h"
#include "text/tiktoken.h"
#include "text/tokenizer_config.h"
#include "text/tokenizer_json.h"
#include "text/tokenizer_json_writer.h"

namespace rotor {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxTextBytes = uint64_t{256} << 20;
constexpr uint64_t kMaxTemplateBytes = uint64_t{1} << 20;

// The template that transformers' files of BitNet b1.58 2B-4T carry. The official GGUF has another
// one, with "BITNETAssistant", that the model was not trained on.
constexpr const char* kBitnetTemplate =
    "{% for message in messages %}{{ message['role'] | capitalize + ': ' + "
    "message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}";

std::vector<std::string> copy_strings(const GgufStrings* strings) {
  std::vector<std::string> out;
  if (strings != nullptr) {
    out.reserve(strings->size());
    for (size_t i = 0; i < strings->size(); ++i) {
      out.emplace_back((*strings)[i]);
    }
  }
  return out;
}

Result<GgufVocabulary> read_vocabulary(const GgufFile& file) {
  GgufVocabulary v;
  v.name = file.file().path();
  const auto text = [&](const char* key, std::string& out) -> Status {
    ROTOR_ASSIGN(const std::optional<std::string_view> value, file.string(key));
    out = std::string(value.value_or(""));
    return {};
  };
  ROTOR_TRY(text("tokenizer.ggml.model", v.model));
  ROTOR_TRY(text("tokenizer.ggml.pre", v.pre));
  ROTOR_ASSIGN(const std::optional<std::string_view> arch, file.string("general.architecture"));
  const Family* family = find_gguf_family(arch.value_or(""));
  v.is_bitnet = family != nullptr && family->name == "bitnet";
  ROTOR_ASSIGN(const GgufStrings* tokens, file.strings("tokenizer.ggml.tokens"));
  ROTOR_ASSIGN(const GgufStrings* merges, file.strings("tokenizer.ggml.merges"));
  v.tokens = copy_strings(tokens);
  v.merges = copy_strings(merges);
  ROTOR_ASSIGN(std::optional<std::vector<int64_t>> types,
               file.integers("tokenizer.ggml.token_type"));
  if (types) {
    v.types.assign(types->begin(), types->end());
  }
  ROTOR_ASSIGN(std::optional<std::vector<float>> scores, file.floats("tokenizer.ggml.scores"));
  v.scores = std::move(scores).value_or(std::vector<float>());
  ROTOR_ASSIGN(v.bos, file.integer("tokenizer.ggml.bos_token_id"));
  ROTOR_ASSIGN(v.eos, file.integer("tokenizer.ggml.eos_token_id"));
  ROTOR_ASSIGN(v.eot, file.integer("tokenizer.ggml.eot_token_id"));
  ROTOR_ASSIGN(v.eom, file.integer("tokenizer.ggml.eom_token_id"));
  ROTOR_ASSIGN(v.unk, file.integer("tokenizer.ggml.unknown_token_id"));
  ROTOR_ASSIGN(v.add_bos, file.boolean("tokenizer.ggml.add_bos_token"));
  ROTOR_ASSIGN(v.add_eos, file.boolean("tokenizer.ggml.add_eos_token"));
  ROTOR_ASSIGN(v.add_space_prefix, file.boolean("tokenizer.ggml.add_space_prefix"));
  ROTOR_ASSIGN(v.remove_extra_whitespaces,
               file.boolean("tokenizer.ggml.remove_extra_whitespaces"));
  return v;
}

Result<std::string> read_text_tensor(const SafetensorsFile& file, const char* name) {
  const SafetensorsTensor* tensor = file.find(name);
  if (tensor == nullptr) {
    return std::string();
  }
  if (tensor->dtype != DType::kU8 || tensor->bytes > kMaxTextBytes) {
    return format_error(file.file().path() + ": tensor '" + name + "': expected U8 text, got " +
                        std::string(dtype_name(tensor->dtype)) + " " + shape_text(tensor->shape));
  }
  std::string text(tensor->bytes, '\0');
  ROTOR_TRY(file.read(*tensor, 0, std::as_writable_bytes(std::span(text))));
  return text;
}

Result<TextSource> read_tokenizer_alone(const std::string& path, Container container) {
  TextSource out;
  ROTOR_ASSIGN(const std::string text, read_text_file(path, kMaxTextBytes));
  if (container == Container::kTiktoken) {
    ROTOR_ASSIGN(out.tokenizer, parse_tiktoken(text, path));
  } else if (container == Container::kSentencePiece) {
    ROTOR_ASSIGN(out.tokenizer, parse_sentencepiece(text, path));
  } else {
    ROTOR_ASSIGN(out.tokenizer, parse_tokenizer_json(text, path));
  }
  return out;
}

// tokenizer.model of a folder, which is of either kind. What was added to a SentencePiece model
// stands in other files.
Result<TextSource> read_tokenizer_model(const fs::path& folder) {
  const std::string path = (folder / "tokenizer.model").string();
  ROTOR_ASSIGN(const Container container, identify_container(path));
  ROTOR_ASSIGN(TextSource out, read_tokenizer_alone(path, container));
  if (container != Container::kSentencePiece) {
    return out;
  }
  const auto apply = [&](const char* name, auto apply_text) -> Status {
    std::error_code ignored;
    const fs::path file = folder / name;
    if (!fs::exists(file, ignored)) {
      return {};
    }
    ROTOR_ASSIGN(const std::string text, read_text_file(file.string(), kMaxTextBytes));
    return apply_text(text, file.string(), *out.tokenizer);
  };
  ROTOR_TRY(apply("tokenizer_config.json", apply_tokenizer_config));
  ROTOR_TRY(apply("added_tokens.json", apply_added_tokens));
  return out;
}

// Whether `json` is the tokenizer.json that goes with a SentencePiece model, as in folders that Rotor
// wrote: the model says the same and has the scores, too.
bool is_form_of(const std::string& json, const TextSource& model) {
  if (!model.tokenizer || !is_sentencepiece(*model.tokenizer)) {
    return false;
  }
  const Result<TokenizerSpec> as_json = sentencepiece_as_json(*model.tokenizer);
  const Result<std::string> text = as_json.ok() ? write_tokenizer_json(*as_json) : as_json.status();
  return text.ok() && *text == json;
}

// tokenizer.json goes before tokenizer.model, as in transformers.
Result<TextSource> read_hf_tokenizer(const fs::path& folder) {
  const fs::path json = folder / "tokenizer.json";
  std::error_code ignored;  // a folder that may not be read holds no text files
  const fs::path model = folder / "tokenizer.model";
  const bool has_model = fs::exists(model, ignored);
  if (fs::exists(json, ignored)) {
    const Result<Container> kind = identify_container(model.string());
    if (has_model && kind.ok() && *kind == Container::kSentencePiece) {
      Result<TextSource> read = read_tokenizer_model(folder);
      ROTOR_ASSIGN(const std::string text, read_text_file(json.string(), kMaxTextBytes));
      if (read.ok() && is_form_of(text, *read)) {
        return read;
      }
    }
    return read_tokenizer_alone(json.string(), Container::kTokenizerJson);
  }
  if (has_model) {
    return read_tokenizer_model(folder);
  }
  TextSource out;
  out.warnings.push_back("no tokenizer: neither tokenizer.json nor tokenizer.model in " +
                         folder.string());
  return out;
}

}  // namespace

Result<TextSource> read_hf_text(const std::string& folder_name) {
  const fs::path folder(folder_name);
  ROTOR_ASSIGN(TextSource out, read_hf_tokenizer(folder));
  std::error_code ignored;
  const fs::path jinja = folder / "chat_template.jinja";
  const fs::path config = folder / "tokenizer_config.json";
  if (fs::exists(jinja, ignored)) {
    ROTOR_ASSIGN(out.chat_template, read_text_file(jinja.string(), kMaxTemplateBytes));
  } else if (fs::exists(config, ignored)) {
    ROTOR_ASSIGN(const std::string text, read_text_file(config.string(), kMaxTextBytes));
    ROTOR_ASSIGN(out.chat_template, parse_chat_template(text, config.string()));
  }
  return out;
}

Result<TextSource> read_gguf_text(const GgufFile& file) {
  TextSource out;
  if (file.find_value("tokenizer.ggml.tokens") != nullptr) {
    ROTOR_ASSIGN(const GgufVocabulary vocabulary, read_vocabulary(file));
    ROTOR_ASSIGN(out.tokenizer, tokenizer_from_gguf(vocabulary));
    out.notes = out.tokenizer->notes;
  } else {
    out.warnings.push_back("the file holds no tokenizer");
  }
  ROTOR_ASSIGN(const std::optional<std::string_view> chat, file.string("tokenizer.chat_template"));
  out.chat_template = std::string(chat.value_or(""));
  if (out.chat_template.find("BITNETAssistant") != std::string::npos) {
    out.chat_template = kBitnetTemplate;
    out.notes.push_back("repaired: the chat template in the file is not the one the model was "
                        "trained with (it says BITNETAssistant); the published one is used");
  }
  return out;
}

Result<TextSource> read_rotor_text(const SafetensorsFile& file) {
  TextSource out;
  ROTOR_ASSIGN(const std::string tokenizer, read_text_tensor(file, rotor_names::kTokenizer));
  if (!tokenizer.empty()) {
    const std::string name = file.file().path() + ": tokenizer";
    ROTOR_ASSIGN(out.tokenizer, tokenizer.starts_with('{') ? parse_tokenizer_json(tokenizer, name)
                                                           : parse_sentencepiece(tokenizer, name));
  } else {
    out.warnings.push_back("the file holds no tokenizer");
  }
  ROTOR_ASSIGN(out.chat_template, read_text_tensor(file, rotor_names::kChatTemplate));
  return out;
}

Status refuse_overrides(const std::string& path, std::span<const GgufOverride> overrides) {
  if (overrides.empty()) {
    return {};
  }
  return invalid_argument(path + ": only the metadata of a GGUF file can be overridden ('" +
                          overrides[0].key + "'); a Hugging Face folder has its config.json to edit");
}

Result<TextSource> open_text_source(const std::string& path,
                                    std::span<const GgufOverride> overrides) {
  ROTOR_ASSIGN(const Container container, identify_container(path));
  if (container != Container::kGguf) {
    ROTOR_TRY(refuse_overrides(path, overrides));
  }
  switch (container) {
    case Container::kHuggingFace: return read_hf_text(path);
    case Container::kSafetensors: return read_hf_text(fs::path(path).parent_path().string());
    case Container::kRotor: {
      ROTOR_ASSIGN(const SafetensorsFile file, SafetensorsFile::open(path));
      return read_rotor_text(file);
    }
    case Container::kGguf: {
      ROTOR_ASSIGN(GgufFile file, GgufFile::open(path));
      file.replace(overrides);
      return read_gguf_text(file);
    }
    case Container::kTiktoken:
    case Container::kSentencePiece:
    case Container::kTokenizerJson: return read_tokenizer_alone(path, container);
  }
  return internal_error("unknown container");
}

}  // namespace rotor
