// SPDX-License-Identifier: Apache-2.0
#include "hub/ca_bundle.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace rotor {
namespace {

TEST(CaBundle, IsTheFirstFileThatCanBeRead) {
  std::vector<std::string> asked;
  const std::string found = find_ca_bundle([&](const char* path) {
    asked.emplace_back(path);
    return asked.size() == 3;
  });
  ASSERT_EQ(asked.size(), 3u);
  EXPECT_EQ(found, asked.back());
}

TEST(CaBundle, IsFoundOnEveryDistribution) {
  for (const char* place : {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                            "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"}) {
    EXPECT_EQ(find_ca_bundle([&](const char* path) { return std::string_view(path) == place; }), place);
  }
}

TEST(CaBundle, IsEmptyWhereNoneIs) {
  EXPECT_EQ(find_ca_bundle([](const char*) { return false; }), "");
}

}  // namespace
}  // namespace rotor
