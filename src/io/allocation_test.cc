// SPDX-License-Identifier: Apache-2.0
// No header makes a reader allocate more than a small multiple of its file: every allocation of
// this program is counted while damaged files are opened.
#include <gtest/gtest.h>

#include "base/counting_new.h"
#include "base/file.h"
#include "io/gguf.h"
#include "io/safetensors.h"
#include "io/test_bytes.h"

namespace rotor {
namespace {

// Bytes asked for, freed or not, while the file is opened.
template <typename Format>
size_t cost(const std::string& bytes) {
  File file = File::from_memory(bytes, "t");
  const size_t before = test::allocated_bytes;
  (void)Format::parse(std::move(file));
  return test::allocated_bytes - before;
}

template <typename Format>
void expect_small(std::string_view corpus) {
  for (const auto& entry : std::filesystem::directory_iterator(test::corpus(corpus))) {
    const auto bytes = read_text_file(entry.path(), 1 << 20);
    ASSERT_TRUE(bytes.ok());
    size_t worst = 0;
    test::boundary_numbers(*bytes, [&](const std::string& damaged) {
      worst = std::max(worst, cost<Format>(damaged));
    });
    EXPECT_LT(worst, 100'000 + 40 * bytes->size()) << entry.path();
  }
}

TEST(Allocation, CountsWhatIsAllocated) {
  const size_t before = test::allocated_bytes;
  const std::string text(12'345, 'x');
  EXPECT_GE(test::allocated_bytes - before, text.size());
}

TEST(Allocation, Gguf) { expect_small<GgufFile>("gguf"); }

TEST(Allocation, Safetensors) { expect_small<SafetensorsFile>("safetensors"); }

}  // namespace
}  // namespace rotor
