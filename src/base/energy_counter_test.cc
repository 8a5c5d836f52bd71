// SPDX-License-Identifier: Apache-2.0
// Trees of /sys/class/powercap, made in a temporary folder.
#include "base/energy_counter.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace rotor {
namespace {

class Energy : public testing::Test {
 protected:
  void SetUp() override {
    root_ = testing::TempDir() + "rotor_energy_" +
            testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(root_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& zone, const std::string& file, const std::string& text) {
    const std::filesystem::path folder = root_ + "/sys/class/powercap/" + zone;
    std::filesystem::create_directories(folder);
    std::ofstream(folder / file) << text << "\n";
  }
  void write_zone(const std::string& zone, const std::string& name, const std::string& energy) {
    write(zone, "name", name);
    write(zone, "max_energy_range_uj", "10000000");
    write(zone, "energy_uj", energy);
  }

  std::string root_;
};

TEST_F(Energy, NothingThereIsNotMeasured) {
  EXPECT_EQ(EnergyCounter(root_).joules(), std::nullopt);
  std::filesystem::create_directories(root_ + "/sys/class/powercap/dtpm");
  EXPECT_EQ(EnergyCounter(root_).joules(), std::nullopt);
}

TEST_F(Energy, AddsPackagesAndLeavesOutWhatTheyContain) {
  write_zone("intel-rapl:0", "package-0", "1000000");
  write_zone("intel-rapl:0:0", "core", "0");
  write_zone("intel-rapl:1", "package-1", "0");
  write_zone("intel-rapl:2", "psys", "0");
  write_zone("intel-rapl-mmio:0", "package-0", "0");
  EnergyCounter counter(root_);
  for (const char* zone : {"intel-rapl:0:0", "intel-rapl:2", "intel-rapl-mmio:0"}) {
    write(zone, "energy_uj", "9000000");
  }
  write("intel-rapl:0", "energy_uj", "3500000");
  write("intel-rapl:1", "energy_uj", "250000");
  EXPECT_EQ(counter.joules(), 2.75);
  EXPECT_EQ(counter.joules(), 0.0);
}

TEST_F(Energy, ACounterThatStartedAgain) {
  write_zone("intel-rapl:0", "package-0", "9500000");
  EnergyCounter counter(root_);
  write("intel-rapl:0", "energy_uj", "250000");
  EXPECT_EQ(counter.joules(), 0.75);
}

TEST_F(Energy, OnePackageThatCannotBeReadMakesAllUnknown) {
  write_zone("intel-rapl:0", "package-0", "0");
  write_zone("intel-rapl:1", "package-1", "closed");
  EXPECT_EQ(EnergyCounter(root_).joules(), std::nullopt);
  write_zone("intel-rapl:1", "package-1", "0");
  EnergyCounter counter(root_);
  write("intel-rapl:1", "energy_uj", "-1");
  EXPECT_EQ(counter.joules(), std::nullopt);
  write("intel-rapl:1", "energy_uj", "1");
  EXPECT_EQ(counter.joules(), std::nullopt);
}

}  // namespace
}  // namespace rotor
