// SPDX-License-Identifier: Apache-2.0
// SHA-256, by OpenSSL, as lower-case hexadecimal.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace rotor {

// Feeds bytes in order; hex() ends the computation. One thread at a time.
class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  ~Sha256();

  void update(std::span<const std::byte> bytes);
  // 64 hexadecimal digits; empty when OpenSSL cannot compute SHA-256. Call once.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::span<const std::byte> bytes);

}  // namespace rotor
