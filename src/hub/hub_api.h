// SPDX-License-Identifier: Apache-2.0
// The hub's JSON about a revision of a model.
#pragma once

#include <rotor/status.h>

#include <string>
#include <string_view>
#include <vector>

namespace rotor {

struct HubModelInfo {
  std::string commit;              // 40 hexadecimal digits
  std::vector<std::string> files;  // paths in the repository, each safe below a folder
};

// kFormatError when the text is not what the hub sends, or names a file that would lie outside its
// folder. `where` stands for the source in messages.
Result<HubModelInfo> parse_model_info(std::string_view json, const std::string& where);

}  // namespace rotor
