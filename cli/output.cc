// SPDX-License-Identifier: Apache-2.0
#include "output.h"

#include <boost/json.hpp>
#include <cstdio>
#include <string>

#include "text/detokenizer.h"

namespace rotor::cli {

bool write_output(std::string_view bytes) {
  return std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size() &&
         std::ferror(stdout) == 0;
}

bool write_json(const boost::json::value& value) {
  Utf8Stream valid;  // what is not ASCII stands inside strings, so the whole line can be mended
  const std::string line = valid.push(boost::json::serialize(value));
  return write_output(line + valid.flush() + "\n");
}

}  // namespace rotor::cli
