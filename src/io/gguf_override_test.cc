// SPDX-License-Identifier: Apache-2.0
// The four types, what is no override, and lookups in a file that is overridden.
#include "io/gguf_override.h"

#include <gtest/gtest.h>

#include <vector>

#include "io/gguf.h"
#include "io/test_bytes.h"

namespace rotor {
namespace {

GgufOverride parsed(std::string_view text) {
  const auto result = parse_gguf_override(text);
  EXPECT_TRUE(result.ok()) << result.status().message();
  return result.ok() ? *result : GgufOverride{};
}

TEST(GgufOverride, HasFourTypes) {
  EXPECT_EQ(std::get<int64_t>(parsed("a.b=int:-7").value), -7);
  EXPECT_EQ(parsed("a.b=int:-7").key, "a.b");
  EXPECT_EQ(std::get<double>(parsed("a=float:1e-6").value), 1e-6);
  EXPECT_EQ(std::get<double>(parsed("a=float:500000").value), 500000);
  EXPECT_EQ(std::get<bool>(parsed("a=bool:true").value), true);
  EXPECT_EQ(std::get<bool>(parsed("a=bool:false").value), false);
  EXPECT_EQ(std::get<std::string>(parsed("a=str:x=y:z, w").value), "x=y:z, w");
  EXPECT_EQ(std::get<std::string>(parsed("a=str:").value), "");
}

TEST(GgufOverride, WhatIsNoneIsRefusedAndQuoted) {
  for (const char* text :
       {"", "a", "a=", "a=int", "=int:1", "a:int=1", "a=int:", "a=int:x", "a=int:1.5", "a=int:1 ",
        "a=int:9223372036854775808", "a=float:", "a=float:nan", "a=float:inf", "a=float:1,5",
        "a=bool:1", "a=bool:True", "a=u32:1", "a=string:x", "a=:1"}) {
    const auto result = parse_gguf_override(text);
    ASSERT_EQ(result.status().code(), Code::kInvalidArgument) << text;
    EXPECT_NE(result.status().message().find(text), std::string::npos) << text;
  }
}

TEST(GgufOverride, HoldsInPlaceOfTheFile) {
  auto file = GgufFile::parse(File::from_memory(test::sample_gguf().bytes(), "t.gguf"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(**file->integer("u32"), 7);
  const std::vector<GgufOverride> overrides = {
      parsed("u32=int:5"), parsed("x=float:2"), parsed("x=float:0.5"),
      parsed("s=str:text"), parsed("b=bool:true"), parsed("nothing=int:1")};
  const std::vector<std::string> said = file->replace(overrides);
  ASSERT_EQ(said.size(), 6u);
  EXPECT_EQ(said[0], "\"u32\" is 5 in place of the file's 7");
  EXPECT_EQ(said[3], "\"s\" is \"text\"; the file has no such key");
  EXPECT_EQ(**file->integer("u32"), 5);
  EXPECT_EQ(**file->number("x"), 0.5) << "the last of one key";
  EXPECT_EQ(**file->string("s"), "text");
  EXPECT_TRUE(**file->boolean("b"));
  EXPECT_EQ(file->unread_replacements(), std::vector<std::string>{"nothing"});
  EXPECT_FALSE(file->integer("x").ok()) << "a float is no integer";
  EXPECT_NE(file->integer("x").status().message().find("\"x\""), std::string::npos);
  EXPECT_FALSE(file->strings("s").ok()) << "a string is no array";
}

}  // namespace
}  // namespace rotor
