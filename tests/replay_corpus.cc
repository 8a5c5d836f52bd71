// SPDX-License-Identifier: Apache-2.0
// Stands in for libFuzzer's main where the compiler has none: feeds every file of the named folders
// to the fuzz target, whole and cut short at up to 64 places, so each build runs each seed. Fails
// when a folder is missing or there is nothing to run.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

namespace fs = std::filesystem;

// The copy is exactly as long as the input, so a sanitizer sees a read one byte past its end.
void run(const std::vector<uint8_t>& bytes, size_t size) {
  const std::vector<uint8_t> input(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
  LLVMFuzzerTestOneInput(input.data(), input.size());
}

void replay(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(file), {}};
  const size_t step = std::max<size_t>(1, bytes.size() / 64);
  for (size_t size = 0; size < bytes.size(); size += step) {
    run(bytes, size);
  }
  run(bytes, bytes.size());
}

}  // namespace

int main(int argc, char** argv) {
  size_t files = 0;
  for (int i = 1; i < argc; ++i) {
    std::error_code error;
    fs::recursive_directory_iterator entries(argv[i], error);
    if (error) {
      std::fprintf(stderr, "replay_corpus: %s: %s\n", argv[i], error.message().c_str());
      return 1;
    }
    for (const fs::directory_entry& entry : entries) {
      if (entry.is_regular_file()) {
        replay(entry.path());
        ++files;
      }
    }
  }
  std::printf("replayed %zu files\n", files);
  return files == 0 ? 1 : 0;
}
