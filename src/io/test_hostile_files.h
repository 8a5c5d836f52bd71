// SPDX-License-Identifier: Apache-2.0
// The hostile files of the test data against the verdicts of their manifest. Test code.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <iostream>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/json.h"
#include "io/test_bytes.h"

namespace rotor::test {

// Opens at least `count` files whose name starts with `prefix`; open(path) gives a Result. Skips,
// and says so, without the test data.
template <typename Open>
void check_hostile_files(std::string_view prefix, int count, Open open) {
  const std::filesystem::path folder = test_data() / "hostile/made-here";
  if (!std::filesystem::exists(folder)) {
    std::cerr << "SKIPPED: no " << folder << "; set ROTOR_TEST_DATA\n";
    GTEST_SKIP() << "no " << folder;
  }
  const auto text = read_text_file(folder / "manifest-dev.json", 1 << 20);
  ASSERT_TRUE(text.ok()) << text.status().message();
  const auto manifest = JsonDocument::parse(*text, "manifest-dev.json");
  ASSERT_TRUE(manifest.ok()) << manifest.status().message();
  int files = 0;
  for (const JsonValue entry : manifest->root()) {
    const std::string name = **json_string(entry, "file", "manifest");
    if (!name.starts_with(prefix)) {
      continue;
    }
    const auto file = open(folder / name);
    EXPECT_EQ(file.ok(), **json_bool(entry, "accept", "manifest"))
        << name << ": " << file.status().message();
    ++files;
  }
  EXPECT_GE(files, count);
}

}  // namespace rotor::test
