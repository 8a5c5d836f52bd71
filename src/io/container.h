// SPDX-License-Identifier: Apache-2.0
// What a path holds, told by its content: the first question of every command that takes a MODEL.
#pragma once

#include <rotor/status.h>

#include <string>
#include <string_view>

namespace rotor {

enum class Container : unsigned char {
  kHuggingFace,  // a folder with config.json, model.safetensors(.index.json) or tokenizer.json
  kSafetensors,  // one file of tensors
  kRotor,        // a safetensors file whose metadata has "rotor.version", or that ends in .rotor
  kGguf,
  kTiktoken,       // lines of a base64 token and its rank
  kSentencePiece,  // a protocol buffer of pieces
  kTokenizerJson,  // a JSON object
};

std::string_view container_name(Container container);

// Looks at the first bytes, or at the names in a folder; for safetensors at the whole header. Names
// with a known ending keep their format even when the content is broken, so that its reader says
// what is wrong. kUnsupported, listing what Rotor reads, for everything else.
Result<Container> identify_container(const std::string& path);

}  // namespace rotor
