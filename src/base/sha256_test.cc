// SPDX-License-Identifier: Apache-2.0
// SHA-256 against the examples of FIPS 180-2, appendix B.
#include "base/sha256.h"

#include <gtest/gtest.h>

#include <string>

namespace rotor {
namespace {

std::string hash(std::string_view text) { return sha256_hex(std::as_bytes(std::span(text))); }

TEST(Sha256, PublishedExamples) {
  EXPECT_EQ(hash(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Sha256, MillionBytesInPieces) {
  const std::string piece(1000, 'a');
  Sha256 sum;
  for (int i = 0; i < 1000; ++i) {
    sum.update(std::as_bytes(std::span(piece)));
  }
  EXPECT_EQ(sum.hex(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

}  // namespace
}  // namespace rotor
