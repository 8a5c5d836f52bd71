// SPDX-License-Identifier: Apache-2.0
// No header makes a reader allocate more than a small multiple of its file: every allocation of
// this program is counted while damaged files are opened.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "base/file.h"
#include "io/gguf.h"
#include "io/safetensors.h"
#include "io/test_bytes.h"

namespace {

std::atomic<size_t> allocated = 0;

void* counted(size_t size) {
  allocated += size;
  return std::malloc(size);
}

}  // namespace

// Not inlined: the compiler would see malloc and free where it expects new and delete.
[[gnu::noinline]] void* operator new(size_t size) {
  void* const memory = counted(size);
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  return memory;
}
void* operator new(size_t size, const std::nothrow_t&) noexcept { return counted(size); }
void* operator new[](size_t size, const std::nothrow_t&) noexcept { return counted(size); }
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory, size_t) noexcept { std::free(memory); }

namespace rotor {
namespace {

// Bytes asked for, freed or not, while the file is opened.
template <typename Format>
size_t cost(const std::string& bytes) {
  File file = File::from_memory(bytes, "t");
  const size_t before = allocated;
  (void)Format::parse(std::move(file));
  return allocated - before;
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
  const size_t before = allocated;
  const std::string text(12'345, 'x');
  EXPECT_GE(allocated - before, text.size());
}

TEST(Allocation, Gguf) { expect_small<GgufFile>("gguf"); }

TEST(Allocation, Safetensors) { expect_small<SafetensorsFile>("safetensors"); }

}  // namespace
}  // namespace rotor
