// SPDX-License-Identifier: Apache-2.0
// The measured layout is remembered, and nothing that may be in its place does harm.
#include "device/cpu/cpu_format.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/test_folder.h"
#include "model/test_model.h"

namespace rotor {
namespace {

using test::TestFolder;

TEST(CpuFormat, ASmallModelIsNotMeasured) {
  const TestFolder folder;
  ThreadPool pool(1);
  const std::string cache = folder.path("formats.json");
  EXPECT_EQ(cpu_format(test_source(test_config()), *selected_isa(), pool, cache), TernaryFormat::kI2);
  EXPECT_EQ(folder.get("formats.json"), "");
}

TEST(CpuFormat, WhatWasFoundIsRemembered) {
  const TestFolder folder;
  const std::string cache = folder.path("a/b/formats.json");
  EXPECT_FALSE(cached_format(cache, "one"));
  cache_format(cache, "one", TernaryFormat::kDense243);
  cache_format(cache, "another \"machine\"", TernaryFormat::kI2);
  EXPECT_EQ(cached_format(cache, "one"), TernaryFormat::kDense243);
  EXPECT_EQ(cached_format(cache, "another \"machine\""), TernaryFormat::kI2);
  EXPECT_FALSE(cached_format(cache, "a third"));
  cache_format(cache, "one", TernaryFormat::kI2);
  EXPECT_EQ(cached_format(cache, "one"), TernaryFormat::kI2);
}

TEST(CpuFormat, WhateverElseIsThereIsReplaced) {
  for (const std::string& content :
       {std::string(), std::string("{"), std::string("[1]"), std::string("{\"one\": 3}"),
        std::string("{\"one\": \"none\"}"), std::string("\0\xff", 2), std::string(200000, '['),
        "{\"x\": \"" + std::string(100000, 'x') + "\"}"}) {
    const TestFolder folder;
    const std::string cache = folder.put("formats.json", content);
    EXPECT_FALSE(cached_format(cache, "one")) << content.substr(0, 20);
    cache_format(cache, "one", TernaryFormat::kDense243);
    EXPECT_EQ(cached_format(cache, "one"), TernaryFormat::kDense243) << content.substr(0, 20);
  }
}

TEST(CpuFormat, StaysSmall) {
  const TestFolder folder;
  const std::string cache = folder.path("formats.json");
  for (int i = 0; i < 250; ++i) {
    cache_format(cache, std::to_string(i), TernaryFormat::kI2);
  }
  EXPECT_EQ(cached_format(cache, "249"), TernaryFormat::kI2);
  EXPECT_LT(folder.get("formats.json").size(), 2000u);
}

TEST(CpuFormat, APlaceThatCannotBeWrittenIsNoError) {
  const TestFolder folder;
  const std::string file = folder.put("file", "x");
  for (const std::string& cache : {std::string(), file + "/formats.json", folder.path()}) {
    cache_format(cache, "one", TernaryFormat::kI2);
    EXPECT_FALSE(cached_format(cache, "one")) << cache;
  }
}

TEST(CpuFormat, TheCacheIsWhereTheUserKeepsCaches) {
  ::setenv("HOME", "/home/someone", 1);
  ::unsetenv("XDG_CACHE_HOME");
  EXPECT_EQ(cpu_format_cache(), "/home/someone/.cache/rotor/formats.json");
  ::setenv("XDG_CACHE_HOME", "/var/caches", 1);
  EXPECT_EQ(cpu_format_cache(), "/var/caches/rotor/formats.json");
  ::setenv("XDG_CACHE_HOME", "caches", 1);  // must be absolute
  EXPECT_EQ(cpu_format_cache(), "/home/someone/.cache/rotor/formats.json");
  ::unsetenv("XDG_CACHE_HOME");
  ::unsetenv("HOME");
  EXPECT_EQ(cpu_format_cache(), "");
}

}  // namespace
}  // namespace rotor
