// SPDX-License-Identifier: Apache-2.0
// The measured layout is remembered, and nothing that may be in its place does harm.
#include "device/cpu/cpu_format.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "base/test_folder.h"
#include "kernels/format_probe.h"

namespace rotor {
namespace {

using test::TestFolder;

TEST(CpuFormat, ASmallModelIsNotMeasured) {
  const TestFolder folder;
  ThreadPool pool(1);
  const std::string cache = folder.path("formats.json");
  EXPECT_EQ(cpu_format(kBeyondCaches - 1, *selected_isa(), pool, cache), TernaryFormat::kI2);
  EXPECT_EQ(folder.get("formats.json"), "");
}

// On a level with kernels for one layout alone there is nothing to measure, and nothing is believed.
TEST(CpuFormat, ALargeModelIsMeasuredOnce) {
  const TestFolder folder;
  ThreadPool pool(2);
  for (const IsaLevel level : {IsaLevel::kScalar, *selected_isa()}) {
    const std::vector<TernaryFormat> own = formats_with_kernels(kernel_table(level));
    const std::string cache = folder.path(std::string(isa_name(level)) + ".json");
    const std::string machine = machine_name(level, 2, own);
    if (own.size() < 2) {
      cache_format(cache, machine, TernaryFormat::kDense243);
      EXPECT_EQ(cpu_format(kBeyondCaches, level, pool, cache), TernaryFormat::kI2);
      continue;
    }
    const TernaryFormat found = cpu_format(kBeyondCaches, level, pool, cache);
    EXPECT_EQ(cached_format(cache, machine), found);
    for (const TernaryFormat format : own) {  // what is there is believed
      cache_format(cache, machine, format);
      EXPECT_EQ(cpu_format(kBeyondCaches, level, pool, cache), format);
    }
  }
}

TEST(CpuFormat, ALayoutWithoutKernelsIsNotBelieved) {
  const TestFolder folder;
  ThreadPool pool(2);
  const std::vector<TernaryFormat> own = formats_with_kernels(kernel_table(*selected_isa()));
  const std::string cache = folder.path("formats.json");
  for (size_t i = 0; i < kTernaryFormats; ++i) {
    const TernaryFormat format = static_cast<TernaryFormat>(i);
    if (own.size() >= 2 && std::count(own.begin(), own.end(), format) == 0) {
      cache_format(cache, machine_name(*selected_isa(), 2, own), format);
      EXPECT_NE(cpu_format(kBeyondCaches, *selected_isa(), pool, cache), format);
    }
  }
}

// A level that gained a kernel is measured again.
TEST(CpuFormat, WhatWasFoundAmongOthersIsNotBelieved) {
  const TernaryFormat before[] = {TernaryFormat::kI2, TernaryFormat::kDense243};
  const TernaryFormat now[] = {TernaryFormat::kI2, TernaryFormat::kDense243, TernaryFormat::kFold243};
  EXPECT_NE(machine_name(IsaLevel::kScalar, 2, before), machine_name(IsaLevel::kScalar, 2, now));
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
