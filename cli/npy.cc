// SPDX-License-Identifier: Apache-2.0
#include "npy.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <charconv>

namespace rotor::cli {
namespace {

constexpr std::string_view kMagic("\x93NUMPY\x01\x00", 8);
constexpr uint64_t kMaxNpyBytes = uint64_t{4} << 30;

}  // namespace

Result<NpyWriter> NpyWriter::create(const std::string& path, const char* descr,
                                    std::vector<size_t> shape) {
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({},)}}",
                                   descr, fmt::join(shape, ", "));
  // Magic, two bytes of length, header, newline: a multiple of 64 bytes.
  const size_t used = kMagic.size() + 2 + header.size() + 1;
  header.append((64 - used % 64) % 64, ' ');
  header.push_back('\n');
  std::string start(kMagic);
  start.push_back(static_cast<char>(header.size() & 0xff));
  start.push_back(static_cast<char>(header.size() >> 8));
  NpyWriter writer;
  ROTOR_ASSIGN(writer.file_, AtomicFile::create(path));
  ROTOR_TRY(writer.file_.write(std::as_bytes(std::span(start))));
  ROTOR_TRY(writer.file_.write(std::as_bytes(std::span(header))));
  return writer;
}

Result<NpyArray> read_npy(const std::string& path, const char* descr, size_t item_bytes) {
  const Result<std::string> file = read_text_file(path, kMaxNpyBytes);
  ROTOR_TRY(file.status());
  const std::string_view text = *file;
  if (text.size() < 10 || !text.starts_with(kMagic)) {
    return format_error(path + ": expected a NumPy 1.0 array file");
  }
  const size_t header_bytes =
      static_cast<unsigned char>(text[8]) + 256 * static_cast<unsigned char>(text[9]);
  if (10 + header_bytes > text.size()) {
    return format_error(path + ": the header ends after the file");
  }
  const std::string header(text.substr(10, header_bytes));
  if (header.find(fmt::format("'descr': '{}'", descr)) == std::string::npos ||
      header.find("'fortran_order': False") == std::string::npos) {
    return format_error(path + ": expected type " + descr + " in C order, got " + header);
  }
  NpyArray array;
  size_t elements = 1;
  const size_t open = header.find("'shape': (");
  const size_t close = header.find(')', open);
  if (open == std::string::npos || close == std::string::npos) {
    return format_error(path + ": the header has no shape");
  }
  const char* at = header.data() + open + 10;
  const char* end = header.data() + close;
  while (at < end) {
    size_t size = 0;
    const auto [next, error] = std::from_chars(at, end, size);
    if (error != std::errc()) {
      break;
    }
    if (size != 0 && elements > text.size() / size) {
      return format_error(path + ": the shape is larger than the file");
    }
    elements *= size;
    array.shape.push_back(size);
    at = next;
    while (at < end && (*at == ',' || *at == ' ')) {
      ++at;
    }
  }
  array.bytes = text.substr(10 + header_bytes);
  if (array.bytes.size() != elements * item_bytes) {
    return format_error(fmt::format("{}: expected {} bytes of data, got {}", path,
                                    elements * item_bytes, array.bytes.size()));
  }
  return array;
}

}  // namespace rotor::cli
