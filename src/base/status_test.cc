// SPDX-License-Identifier: Apache-2.0
#include <rotor/status.h>

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

namespace rotor {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0) {
    return invalid_argument("odd");
  }
  return number / 2;
}

Result<int> quarter(int number) {
  ROTOR_ASSIGN(const int halved, half(number));
  return half(halved);
}

Status check(int number) {
  ROTOR_TRY(half(number).status());
  return {};
}

TEST(Status, EveryCodeHasItsOwnName) {
  std::set<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(Code::kInternal); ++code) {
    names.insert(code_name(static_cast<Code>(code)));
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(Code::kInternal) + 1);
  EXPECT_EQ(names.count("unknown"), 0u);
}

TEST(Status, FactoriesKeepCodeAndMessage) {
  EXPECT_TRUE(Status().ok());
  EXPECT_EQ(io_error("disk").code(), Code::kIoError);
  EXPECT_EQ(io_error("disk").message(), "disk");
  EXPECT_EQ(not_found("a").code(), Code::kNotFound);
  EXPECT_EQ(format_error("a").code(), Code::kFormatError);
  EXPECT_EQ(unsupported("a").code(), Code::kUnsupported);
  EXPECT_EQ(out_of_memory("a").code(), Code::kOutOfMemory);
  EXPECT_EQ(internal_error("a").code(), Code::kInternal);
}

TEST(Status, ContextIsPutBeforeAFailureOnly) {
  EXPECT_EQ(format_error("short").with_context("a.gguf").message(), "a.gguf: short");
  EXPECT_EQ(Status().with_context("a.gguf").message(), "");
}

TEST(Result, MacrosPassTheFirstFailureOn) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(quarter(6).status().message(), "odd");
  EXPECT_EQ(quarter(7).status().code(), Code::kInvalidArgument);
  EXPECT_TRUE(check(2).ok());
  EXPECT_FALSE(check(3).ok());
}

TEST(Result, HoldsValuesThatOnlyMove) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(7);
  ASSERT_TRUE(result.ok());
  const std::unique_ptr<int> value = *std::move(result);
  EXPECT_EQ(*value, 7);
}

}  // namespace
}  // namespace rotor
