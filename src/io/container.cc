// SPDX-License-Identifier: Apache-2.0
// Signatures of the formats Rotor reads, and of those people try that it does not.
#include "io/container.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/file.h"
#include "io/safetensors.h"

namespace rotor {
namespace {

constexpr std::string_view kReads =
    "Rotor reads Hugging Face folders (config.json with model.safetensors), .safetensors, .gguf "
    "and "
    ".rotor files, and the tokenizers tokenizer.json and tokenizer.model (tiktoken or SentencePiece)";
constexpr uint64_t kHeadBytes = 512;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

Result<Container> identify_folder(const std::string& path) {
  for (const std::string_view name :
       {"config.json", "model.safetensors", "model.safetensors.index.json", "tokenizer.json"}) {
    std::error_code ignored;
    if (std::filesystem::exists(std::filesystem::path(path) / name, ignored)) {
      return Container::kHuggingFace;
    }
  }
  return unsupported(
      fmt::format("{}: the folder holds no config.json, model.safetensors or "
                  "tokenizer.json. {}",
                  path, kReads));
}

// "<base64> <decimal>\n"
bool is_tiktoken(std::string_view head) {
  const std::string_view line = head.substr(0, head.find('\n'));
  const size_t space = line.find(' ');
  if (space == std::string_view::npos || space == 0 || line.size() == head.size()) {
    return false;
  }
  constexpr std::string_view kBase64 =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
  const std::string_view rank = line.substr(space + 1);
  return line.substr(0, space).find_first_not_of(kBase64) == std::string_view::npos &&
         !rank.empty() && rank.find_first_not_of("0123456789\r") == std::string_view::npos;
}

// A protocol buffer that starts with a piece: field 1, its length, and in it field 1, a text that is
// shorter.
bool is_sentencepiece(std::string_view head) {
  if (head.size() < 5 || head[0] != '\x0A' || head[2] != '\x0A') {
    return false;
  }
  const auto piece = static_cast<uint8_t>(head[1]);
  const auto text = static_cast<uint8_t>(head[3]);
  return piece < 0x80 && text < 0x80 && text + 2 <= piece;
}

// The first byte of JSON, at `begin`, opens an object.
bool opens_object(std::string_view head, size_t begin) {
  const auto* const first =
      std::find_if_not(head.begin() + std::min(begin, head.size()), head.end(), is_space);
  return first != head.end() && *first == '{';
}

bool is_safetensors(std::string_view head, uint64_t file_bytes) {
  uint64_t length = 0;
  if (head.size() < sizeof(length)) {
    return false;
  }
  std::memcpy(&length, head.data(), sizeof(length));
  return length <= file_bytes - sizeof(length) && opens_object(head, sizeof(length));
}

Result<Container> identify_safetensors(const std::string& path) {
  ROTOR_ASSIGN(const SafetensorsFile file, SafetensorsFile::open(path));
  const bool rotor = file.metadata().contains("rotor.version") || path.ends_with(".rotor");
  return rotor ? Container::kRotor : Container::kSafetensors;
}

// Formats that are known by name but not read.
std::string_view foreign(std::string_view head) {
  if (head.starts_with("PK\x03\x04") || head.starts_with("\x80\x02")) {
    return "it is a PyTorch checkpoint (a pickle, which can run code); save it as safetensors";
  }
  for (const std::string_view magic : {"tjgg", "fmgg", "lmgg", "algg"}) {
    if (head.starts_with(magic)) {
      return "it is a GGML file from before GGUF; convert the original model to GGUF";
    }
  }
  return "its content is of no format that Rotor knows";
}

}  // namespace

std::string_view container_name(Container container) {
  switch (container) {
    case Container::kHuggingFace:
      return "Hugging Face folder";
    case Container::kSafetensors:
      return "safetensors";
    case Container::kRotor:
      return "rotor";
    case Container::kGguf:
      return "GGUF";
    case Container::kTiktoken:
      return "tiktoken vocabulary";
    case Container::kSentencePiece:
      return "SentencePiece model";
    case Container::kTokenizerJson:
      return "tokenizer.json";
  }
  return "unknown";
}

Result<Container> identify_container(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    return identify_folder(path);
  }
  ROTOR_ASSIGN(const File file, File::open(path));
  std::string head(static_cast<size_t>(std::min(file.size(), kHeadBytes)), '\0');
  ROTOR_TRY(file.read(0, std::as_writable_bytes(std::span(head))));
  if (head.starts_with("GGUF") || path.ends_with(".gguf")) {
    return Container::kGguf;
  }
  if (is_safetensors(head, file.size()) || path.ends_with(".safetensors") ||
      path.ends_with(".rotor")) {
    return identify_safetensors(path);
  }
  if (opens_object(head, 0)) {
    return Container::kTokenizerJson;
  }
  if (is_tiktoken(head)) {
    return Container::kTiktoken;
  }
  if (is_sentencepiece(head)) {
    return Container::kSentencePiece;
  }
  return unsupported(fmt::format("{}: {}. {}", path, foreign(head), kReads));
}

}  // namespace rotor
