// SPDX-License-Identifier: Apache-2.0
// Names of models on the Hugging Face hub, as people write and paste them:
//   org/name  org/name@revision  org/name:file  org/name@revision:file
//   hf://org/name[@revision][/file]
//   https://huggingface.co/org/name[/tree/revision | /blob/revision/file | /resolve/revision/file]
#pragma once

#include <rotor/status.h>

#include <string>
#include <string_view>

namespace rotor {

inline constexpr std::string_view kHubEndpoint = "https://huggingface.co";
inline constexpr std::string_view kMainRevision = "main";

struct HubName {
  std::string repo;      // "org/name"
  std::string revision;  // branch, tag or commit; empty: the main branch
  std::string file;      // file, folder or quantisation such as "Q2_0"; empty: what suits best

  // The shortest form: "org/name[@revision][:file]".
  std::string text() const;
  bool operator==(const HubName&) const = default;
};

// Whether the text has the form of a name: hf:// or a web address in front, or org/name with legal
// characters. "models/file.gguf" has not: what ends like a model file is meant as a path.
bool is_hub_name(std::string_view text);

// kInvalidArgument with the forms that are understood; kUnsupported for datasets, spaces and other
// hosts. `endpoint`: the hub in use, whose web addresses are understood too. What comes out is safe
// as a part of a path and, encoded, of an address: see the checks below.
Result<HubName> parse_hub_name(std::string_view text, std::string_view endpoint = kHubEndpoint);

// "org/name": two parts of letters, digits, '-', '_' and '.', at most 96 each, that begin and end with
// none of "-." and hold neither "--" nor "..".
bool is_hub_repo(std::string_view text);

// A relative path that stays below its folder: no empty part, no "." or "..", no control character.
bool is_safe_hub_path(std::string_view text);

// 40 hexadecimal digits in lower case.
bool is_hub_commit(std::string_view text);

}  // namespace rotor
