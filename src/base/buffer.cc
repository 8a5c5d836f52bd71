// SPDX-License-Identifier: Apache-2.0
// Anonymous mappings, aligned to 2 MiB when they are large enough to profit from huge pages.
#include "base/buffer.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <utility>

#include "base/round_up.h"

namespace rotor {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

// Maps `bytes` (a multiple of 2 MiB) starting at a 2 MiB boundary; nullptr on failure.
std::byte* map_aligned(size_t bytes) {
  void* raw = mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) {
    return nullptr;
  }
  auto begin = reinterpret_cast<uintptr_t>(raw);
  const uintptr_t aligned = round_up(begin, kHugePage);
  if (aligned > begin) {
    munmap(raw, aligned - begin);
  }
  const size_t tail = begin + kHugePage - aligned;
  if (tail > 0) {
    munmap(reinterpret_cast<void*>(aligned + bytes), tail);
  }
  madvise(reinterpret_cast<void*>(aligned), bytes, MADV_HUGEPAGE);  // advice only: may fail
  return reinterpret_cast<std::byte*>(aligned);
}

std::byte* map_small(size_t bytes) {
  void* raw = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return raw == MAP_FAILED ? nullptr : static_cast<std::byte*>(raw);
}

}  // namespace

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      mapped_(std::exchange(other.mapped_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

Buffer::~Buffer() {
  if (data_ != nullptr) {
    munmap(data_, mapped_);
  }
}

Result<Buffer> Buffer::allocate(size_t bytes) {
  Buffer buffer;
  if (bytes == 0) {
    return buffer;
  }
  if (bytes > SIZE_MAX / 2) {
    return out_of_memory("cannot allocate " + std::to_string(bytes) + " bytes");
  }
  const bool large = bytes >= 2 * kHugePage;
  const size_t mapped =
      round_up(bytes, large ? kHugePage : static_cast<size_t>(sysconf(_SC_PAGESIZE)));
  buffer.data_ = large ? map_aligned(mapped) : map_small(mapped);
  if (buffer.data_ == nullptr) {
    return out_of_memory("cannot allocate " + std::to_string(bytes) + " bytes");
  }
  buffer.size_ = bytes;
  buffer.mapped_ = mapped;
  return buffer;
}

}  // namespace rotor
