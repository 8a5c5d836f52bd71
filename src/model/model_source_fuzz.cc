// SPDX-License-Identifier: Apache-2.0
// Fuzz target: any bytes as a model in one file, GGUF or .rotor. A refusal has a code for files and names
// the file; what is accepted has a sound config, every row of it can be read, and it loads.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "model/loader.h"
#include "model/model_source.h"
#include "ternary/format.h"

namespace {

using namespace rotor;

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

// A file in memory that is written again for every input.
class Folder {
 public:
  Folder() : path_("/dev/shm/rotor-model-source-fuzz-" + std::to_string(getpid())) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string put(std::string_view bytes) const {
    const std::string file = path_ + (bytes.starts_with("GGUF") ? "/fuzz.gguf" : "/fuzz.rotor");
    std::ofstream(file, std::ios::binary | std::ios::trunc).write(
        bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return file;
  }

 private:
  std::string path_;
};

void read_rows(const FloatSource& source) {
  std::vector<std::byte> row(float_row_bytes(source.type, source.cols));
  for (size_t r = 0; r < source.rows; ++r) {
    (void)source.reader->read(r, r + 1, row.data());  // a value that is not finite may be refused here
  }
}

void read_matrix(const LinearSource& linear) {
  if (linear.floats) {
    read_rows(*linear.floats);
    return;
  }
  const size_t cols = linear.trits->cols();
  std::vector<int8_t> trits(kTileRows * cols);
  std::vector<float> scales(linear.group_scales ? kTileRows * linear.scale.group.groups(cols) : 0);
  for (size_t block = 0; block < row_blocks(linear.trits->rows()); ++block) {
    if (linear.trits->read(block, block + 1, trits.data()).ok()) {
      require(std::all_of(trits.begin(), trits.end(), [](int8_t t) { return t >= -1 && t <= 1; }));
    }
    if (linear.group_scales && linear.group_scales->read(block, block + 1, scales.data()).ok()) {
      require(std::all_of(scales.begin(), scales.end(), [](float s) { return std::isfinite(s); }));
    }
  }
}

void require_refusal(const Status& status, const std::string& file) {
  const Code code = status.code();
  require(code == Code::kFormatError || code == Code::kUnsupported || code == Code::kInvalidArgument ||
          code == Code::kOutOfMemory);
  require(status.message().find(file) != std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Folder folder;
  static ThreadPool pool(1);
  const std::string file = folder.put({reinterpret_cast<const char*>(data), size});
  auto source = open_model_source(file, {});
  if (!source.ok()) {
    require_refusal(source.status(), file);
    return 0;
  }
  require(validate(source->config).ok());
  require(source->layers.size() == source->config.layers);
  read_rows(source->embed);
  if (source->head) {
    read_rows(*source->head);
  }
  for (const LayerSource& layer : source->layers) {
    if (layer.router) {
      read_rows(*layer.router);
    }
    for (const LinearSource& linear : layer.linear) {
      read_matrix(linear);
    }
  }
  const auto model = load_model(file, {}, pool);
  if (!model.ok()) {
    require_refusal(model.status(), file);
  }
  return 0;
}
