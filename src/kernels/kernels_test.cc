// SPDX-License-Identifier: Apache-2.0
// Walks kernel_list.inc: every row this CPU can run is compared with its scalar twin bit for bit. A
// row that could run and did not is a failure.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "kernels/kernel_check.h"
#include "kernels/kernel_list.h"

namespace rotor {
namespace {

const std::vector<KernelRow>& rows() {
  static const std::vector<KernelRow> list = {
#define ROTOR_KERNEL(type, slot, name, isa_name)                                   \
  KernelRow{#name, #isa_name, kernels::isa::isa_name, [](const std::string& row) { \
        check_kernel(row, static_cast<type>(kernels::name##_##isa_name),           \
                     static_cast<type>(kernels::name##_scalar));                   \
      }},
#include "kernels/kernel_list.inc"
#undef ROTOR_KERNEL
  };
  return list;
}

class Kernel : public testing::TestWithParam<KernelRow> {};

TEST_P(Kernel, EqualsScalarBitForBit) {
  if (!cpu_features().supports(GetParam().level)) {
    GTEST_SKIP() << "this CPU lacks " << GetParam().isa;
  }
  GetParam().check(GetParam().name);
}

INSTANTIATE_TEST_SUITE_P(Kernels, Kernel, testing::ValuesIn(rows()),
                         [](const testing::TestParamInfo<KernelRow>& info) {
                           return info.param.name + "_" + info.param.isa;
                         });

TEST(KernelList, SuffixesNameLevels) {
  for (const KernelRow& row : rows()) {
    EXPECT_EQ(isa_name(row.level), row.isa);
  }
}

// Counts what ran, so that a filter, a skip, or a lost row cannot pass for a test.
class RanEveryRow : public testing::Environment {
 public:
  void TearDown() override {
    const testing::UnitTest& all = *testing::UnitTest::GetInstance();
    if (std::string(GTEST_FLAG_GET(filter)) != "*") {
      return;
    }
    size_t supported = 0;
    for (const KernelRow& row : rows()) {
      supported += cpu_features().supports(row.level) ? 1 : 0;
    }
    size_t ran = 0;
    for (int s = 0; s < all.total_test_suite_count(); ++s) {
      const testing::TestSuite& suite = *all.GetTestSuite(s);
      if (std::string(suite.name()) == "Kernels/Kernel") {
        ran += static_cast<size_t>(suite.successful_test_count() + suite.failed_test_count());
      }
    }
    std::printf("kernel rows: %zu in the list, %zu supported here, %zu compared\n", rows().size(),
                supported, ran);
    EXPECT_EQ(ran, supported);
    // The emulator has every level: one that it lacks was lost on the way.
    if (const char* best = std::getenv("ROTOR_TEST_LEVEL")) {
      EXPECT_EQ(isa_name(cpu_features().best), best);
    }
  }
};
const testing::Environment* const kRanEveryRow =
    testing::AddGlobalTestEnvironment(new RanEveryRow);  // GoogleTest owns it

}  // namespace
}  // namespace rotor
