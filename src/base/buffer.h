// SPDX-License-Identifier: Apache-2.0
// Buffer: zero-filled bytes that start on a 64-byte boundary. Large buffers are anonymous mappings
// that ask for 2 MiB pages: weights are streamed once per token, and address translation is what
// small pages lose bandwidth to.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <span>

namespace rotor {

// Owned, movable, not copyable. Reading from several threads is safe; writing needs disjoint ranges.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer();

  // Zero-filled. kOutOfMemory, with the size asked for, when the system has no room.
  static Result<Buffer> allocate(size_t bytes);

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }

  // View as an array of T, a trivial type. The last partial element, if any, is left out.
  template <typename T>
  std::span<T> as() {
    return {reinterpret_cast<T*>(data_), size_ / sizeof(T)};
  }
  template <typename T>
  std::span<const T> as() const {
    return {reinterpret_cast<const T*>(data_), size_ / sizeof(T)};
  }

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
  size_t mapped_ = 0;  // bytes of the mapping
};

}  // namespace rotor
