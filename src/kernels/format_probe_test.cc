// SPDX-License-Identifier: Apache-2.0
#include "kernels/format_probe.h"

#include <gtest/gtest.h>

namespace rotor {
namespace {

TEST(FormatProbe, TimesWhatHasKernelsOfItsOwn) {
  ThreadPool pool(2);
  for (int i = 0; i <= static_cast<int>(IsaLevel::kI8mm); ++i) {
    const IsaLevel level = static_cast<IsaLevel>(i);
    if (!cpu_features().supports(level)) {
      continue;
    }
    const auto times = time_formats(kernel_table(level), pool);
    ASSERT_TRUE(times.ok()) << times.status().message();
    EXPECT_EQ(times->size(), formats_with_kernels(kernel_table(level)).size()) << isa_name(level);
    for (const FormatTime& time : *times) {
      EXPECT_GT(time.one, 0) << isa_name(level);
      EXPECT_GT(time.many, 0) << isa_name(level);
    }
    if (level == IsaLevel::kScalar) {
      EXPECT_TRUE(times->empty());
    }
  }
}

TEST(FormatProbe, AThreadMayHaveNothingToDo) {
  ThreadPool pool(200);  // more than row blocks of the part with many vectors
  EXPECT_TRUE(time_formats(kernel_table(*selected_isa()), pool).ok());
}

TEST(FormatProbe, TheFastestHasTheLeastOfOneGeneratedAndTwoReadTokens) {
  EXPECT_EQ(fastest_format({}), TernaryFormat::kI2);
  const FormatTime dense = {TernaryFormat::kDense243, 0.8, 0.2};
  EXPECT_EQ(fastest_format({{{TernaryFormat::kI2, 1.0, 0.2}, dense}}), TernaryFormat::kDense243);
  EXPECT_EQ(fastest_format({{{TernaryFormat::kI2, 1.0, 0.04}, dense}}), TernaryFormat::kI2);
  EXPECT_EQ(fastest_format({{{TernaryFormat::kI2, 0.7, 0.2}, dense}}), TernaryFormat::kI2);
}

// Equal but for what a measurement is off: the one that generates faster.
TEST(FormatProbe, OfSeveralAsGoodTheOneThatGeneratesFasterIsTaken) {
  const FormatTime dense = {TernaryFormat::kDense243, 0.8, 0.2};
  EXPECT_EQ(fastest_format({{{TernaryFormat::kI2, 1.0, 0.06}, dense}}), TernaryFormat::kDense243);
  EXPECT_EQ(fastest_format({{dense, {TernaryFormat::kI2, 0.9, 0.13}}}), TernaryFormat::kDense243);
  EXPECT_EQ(fastest_format({{dense, {TernaryFormat::kI2, 0.7, 0.29}}}), TernaryFormat::kI2);
}

}  // namespace
}  // namespace rotor
