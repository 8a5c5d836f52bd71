// SPDX-License-Identifier: Apache-2.0
// Control-group trees of both versions, made in a temporary folder.
#include "base/control_group.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace rotor {
namespace {

class ControlGroup : public testing::Test {
 protected:
  void SetUp() override {
    root_ = testing::TempDir() + "rotor_control_group_" +
            testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(root_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    const std::filesystem::path full = root_ + path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }

  std::string root_;
};

TEST_F(ControlGroup, NothingThereMeansNoLimit) { EXPECT_EQ(control_group_cpus(root_), std::nullopt); }

TEST_F(ControlGroup, Version2TakesTheSmallestOnTheWayUp) {
  write("/proc/self/cgroup", "0::/slice/box\n");
  write("/sys/fs/cgroup/slice/box/cpu.max", "max 100000\n");
  EXPECT_EQ(control_group_cpus(root_), std::nullopt);
  write("/sys/fs/cgroup/slice/cpu.max", "350000 100000\n");
  EXPECT_EQ(control_group_cpus(root_), 3u);
  write("/sys/fs/cgroup/slice/box/cpu.max", "50000 100000\n");
  EXPECT_EQ(control_group_cpus(root_), 1u);
}

TEST_F(ControlGroup, Version2InsideAContainerSeesItsOwnRoot) {
  write("/proc/self/cgroup", "0::/\n");
  write("/sys/fs/cgroup/cpu.max", "200000 100000\n");
  EXPECT_EQ(control_group_cpus(root_), 2u);
}

TEST_F(ControlGroup, Version1) {
  write("/proc/self/cgroup", "5:memory:/box\n3:cpu,cpuacct:/box\n0::/box\n");
  write("/sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "-1\n");
  write("/sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(control_group_cpus(root_), std::nullopt);
  write("/sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "400000\n");
  EXPECT_EQ(control_group_cpus(root_), 4u);
}

TEST_F(ControlGroup, GarbageMeansNoLimit) {
  write("/proc/self/cgroup", "\n::\n:\n0::/box\nx");
  write("/sys/fs/cgroup/box/cpu.max", "many cores\n");
  write("/sys/fs/cgroup/cpu.max", "100000 0\n");
  EXPECT_EQ(control_group_cpus(root_), std::nullopt);
}

TEST_F(ControlGroup, MemoryOfBothVersions) {
  EXPECT_EQ(control_group_memory(root_), std::nullopt);
  write("/proc/self/cgroup", "5:memory:/box\n3:cpu,cpuacct:/box\n0::/slice/box\n");
  write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  write("/sys/fs/cgroup/slice/box/memory.max", "max\n");
  EXPECT_EQ(control_group_memory(root_), std::nullopt);
  write("/sys/fs/cgroup/slice/memory.max", "2147483648\n");
  EXPECT_EQ(control_group_memory(root_), uint64_t{1} << 31);
  write("/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "1073741824\n");
  EXPECT_EQ(control_group_memory(root_), uint64_t{1} << 30);
  EXPECT_EQ(control_group_cpus(root_), std::nullopt);
}

TEST_F(ControlGroup, MemoryLimitsThatAreNoNumberMeanNone) {
  write("/proc/self/cgroup", "0::/box\n");
  for (const char* text : {"", "a lot\n", "-5\n", "0\n", "1e400\n"}) {
    write("/sys/fs/cgroup/box/memory.max", text);
    EXPECT_EQ(control_group_memory(root_), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace rotor
