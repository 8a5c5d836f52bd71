// SPDX-License-Identifier: Apache-2.0
#include "text_input.h"

#include <fmt/core.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

namespace rotor::cli {
namespace {

std::string reason(int error) { return std::generic_category().message(error); }

Result<std::string> read_stream(std::FILE* stream, const std::string& name, uint64_t limit) {
  std::string text;
  std::array<char, size_t{1} << 16> chunk;
  while (true) {
    const size_t count = std::fread(chunk.data(), 1, chunk.size(), stream);
    text.append(chunk.data(), count);
    if (text.size() > limit) {
      return io_error(fmt::format("{}: has more than the {} bytes accepted", name, limit));
    }
    if (count < chunk.size()) {
      break;
    }
  }
  if (std::ferror(stream) != 0) {
    return io_error(name + ": cannot read: " + reason(errno));
  }
  return text;
}

}  // namespace

Result<std::string> read_text_input(const std::string& path, uint64_t limit) {
  if (path == "-") {
    return read_stream(stdin, "standard input", limit);
  }
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"),
                                                             &std::fclose);
  if (file == nullptr) {
    return io_error(path + ": cannot open: " + reason(errno));
  }
  return read_stream(file.get(), path, limit);
}

}  // namespace rotor::cli
