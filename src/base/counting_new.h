// SPDX-License-Identifier: Apache-2.0
// Replaces operator new and delete of the program that includes it: every allocation is counted.
// Test code, for one source file of a program.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace rotor::test {

inline std::atomic<size_t> allocations = 0;      // calls so far
inline std::atomic<size_t> allocated_bytes = 0;  // asked for so far, freed or not

inline void* counted(size_t size, size_t alignment = alignof(std::max_align_t)) {
  ++allocations;
  allocated_bytes += size;
  return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

inline void* counted_or_throw(size_t size, size_t alignment = alignof(std::max_align_t)) {
  void* const memory = counted(size, alignment);
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  return memory;
}

}  // namespace rotor::test

// Not inlined: the compiler would see malloc and free where it expects new and delete. The forms for
// arrays call these.
[[gnu::noinline]] void* operator new(size_t size) { return rotor::test::counted_or_throw(size); }
[[gnu::noinline]] void* operator new(size_t size, std::align_val_t alignment) {
  return rotor::test::counted_or_throw(size, static_cast<size_t>(alignment));
}
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return rotor::test::counted(size);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, size_t, std::align_val_t) noexcept {
  std::free(memory);
}
