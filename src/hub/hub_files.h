// SPDX-License-Identifier: Apache-2.0
// Which files of a repository make a model that Rotor opens: a Hugging Face folder, one GGUF with all
// its parts, or one .rotor file; or a low-rank adapter, a folder of two files. Never pickles (.bin, .pt):
// they can run code.
#pragma once

#include <rotor/status.h>

#include <span>
#include <string>
#include <vector>

namespace rotor {

struct HubFileChoice {
  std::vector<std::string> files;  // small ones first, the weights last
  std::string model;               // of them what is opened; a folder's path, or empty for the root
  bool has_tokenizer = true;       // false: a folder without one, which may only be incomplete
};

// Chooses among the files of a repository, or of what a cache has of one. `wanted`: a file, a folder,
// the quantisation in the name of a GGUF (Q2_0), or empty for what suits Rotor best: a .rotor file,
// else the folder, else the ternary GGUF. kNotFound or kInvalidArgument list what there is.
Result<HubFileChoice> choose_hub_files(std::span<const std::string> files,
                                       const std::string& wanted);

// Everything choose_hub_files() could be made to open: "" for the root folder, else files.
std::vector<std::string> hub_models_among(std::span<const std::string> files);

}  // namespace rotor
