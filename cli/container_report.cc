// SPDX-License-Identifier: Apache-2.0
#include "container_report.h"

#include <fmt/core.h>

#include <boost/json.hpp>
#include <vector>

#include "io/container.h"
#include "io/gguf.h"
#include "io/gguf_types.h"
#include "io/quote_name.h"
#include "io/safetensors_set.h"
#include "output.h"

namespace rotor::cli {
namespace {

struct Entry {
  std::string name;
  std::string type;
  std::vector<uint64_t> shape;  // rows first
  uint64_t offset;
  uint64_t bytes;
};

struct Structure {
  std::string container;
  std::vector<std::string> keys;
  std::vector<Entry> tensors;
};

void add_safetensors(const SafetensorsFile& file, Structure& out) {
  for (const auto& [key, value] : file.metadata()) {
    out.keys.push_back(key);
  }
  for (const SafetensorsTensor& tensor : file.tensors()) {
    out.tensors.push_back({tensor.name, std::string(dtype_name(tensor.dtype)), tensor.shape,
                           tensor.offset, tensor.bytes});
  }
}

void add_gguf(const GgufFile& file, Structure& out) {
  out.container = fmt::format("GGUF v{}", file.version());
  for (const GgufEntry& entry : file.metadata()) {
    out.keys.push_back(entry.key);
  }
  for (const GgufTensor& tensor : file.tensors()) {
    std::vector<uint64_t> shape(tensor.dims.rend() - tensor.rank, tensor.dims.rend());
    out.tensors.push_back(
        {tensor.name, gguf_type_name(tensor.type), std::move(shape), tensor.offset, tensor.span});
  }
}

Result<Structure> read_structure(const std::string& path) {
  ROTOR_ASSIGN(const Container container, identify_container(path));
  Structure out;
  out.container = container_name(container);
  switch (container) {
    case Container::kGguf: {
      ROTOR_ASSIGN(const GgufFile file, GgufFile::open(path));
      add_gguf(file, out);
      return out;
    }
    case Container::kHuggingFace:
    case Container::kSafetensors:
    case Container::kRotor: {
      ROTOR_ASSIGN(const SafetensorsSet set, SafetensorsSet::open(path));
      for (const SafetensorsFile& file : set.files()) {
        add_safetensors(file, out);
      }
      return out;
    }
    default: return out;
  }
}

}  // namespace

Status report_container(const std::string& path, bool json) {
  ROTOR_ASSIGN(const Structure structure, read_structure(path));
  if (!json) {
    fmt::print("{}: {}, {} metadata keys, {} tensors\n", path, structure.container,
               structure.keys.size(), structure.tensors.size());
    for (const std::string& key : structure.keys) {
      fmt::print("  key     {}\n", quote_name(key));
    }
    for (const Entry& tensor : structure.tensors) {
      fmt::print("  tensor  {}  {} {}  {} bytes at {}\n", quote_name(tensor.name), tensor.type,
                 shape_text(tensor.shape), tensor.bytes, tensor.offset);
    }
    return {};
  }
  boost::json::array tensors;
  for (const Entry& tensor : structure.tensors) {
    tensors.push_back({{"name", tensor.name},
                       {"type", tensor.type},
                       {"shape", boost::json::value_from(tensor.shape)},
                       {"offset", tensor.offset},
                       {"bytes", tensor.bytes}});
  }
  const boost::json::object out = {{"file", path},
                                   {"container", structure.container},
                                   {"metadata_keys", boost::json::value_from(structure.keys)},
                                   {"tensors", std::move(tensors)}};
  write_json(out);
  return {};
}

}  // namespace rotor::cli
