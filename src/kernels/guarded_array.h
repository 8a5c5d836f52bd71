// SPDX-License-Identifier: Apache-2.0
// An array whose end touches a page that may not be read: a kernel that looks past its input
// faults. Test code.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace rotor {

template <typename T>
class GuardedArray {
 public:
  explicit GuardedArray(size_t size) : size_(size) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t bytes = size * sizeof(T);
    const size_t body = (bytes + page - 1) / page * page;
    mapped_ = body + 2 * page;
    void* map = mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
      throw std::runtime_error("GuardedArray: mmap failed");
    }
    map_ = static_cast<char*>(map);
    if (body > 0 && mprotect(map_ + page, body, PROT_READ | PROT_WRITE) != 0) {
      throw std::runtime_error("GuardedArray: mprotect failed");
    }
    data_ = reinterpret_cast<T*>(map_ + page + body - bytes);
  }
  GuardedArray(const GuardedArray& other) : GuardedArray(other.size_) {
    std::memcpy(data_, other.data_, size_ * sizeof(T));
  }
  GuardedArray(GuardedArray&& other) noexcept
      : size_(other.size_),
        mapped_(other.mapped_),
        map_(std::exchange(other.map_, nullptr)),
        data_(other.data_) {}
  GuardedArray& operator=(const GuardedArray&) = delete;
  ~GuardedArray() {
    if (map_ != nullptr) {
      munmap(map_, mapped_);
    }
  }

  size_t size() const { return size_; }
  T* data() { return data_; }
  const T* data() const { return data_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }

 private:
  size_t size_;
  size_t mapped_ = 0;
  char* map_ = nullptr;
  T* data_ = nullptr;
};

}  // namespace rotor
