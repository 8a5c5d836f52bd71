// SPDX-License-Identifier: Apache-2.0
// A folder of its own for one test, removed with everything in it. Test code.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace rotor::test {

class TestFolder {
 public:
  TestFolder() {
    static int count = 0;
    path_ = testing::TempDir() + "rotor_test_" + std::to_string(::getpid()) + "_" +
            std::to_string(count++);
    std::filesystem::remove_all(path_);  // of a process that was killed and had the same number
    std::filesystem::create_directory(path_);
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string path(const std::string& name) const { return path_ + "/" + name; }

  // Writes a file; returns its path.
  std::string put(const std::string& name, std::string_view content) const {
    std::ofstream(path(name), std::ios::binary) << content;
    return path(name);
  }
  // The content of a file; empty when there is none.
  std::string get(const std::string& name) const {
    std::ifstream file(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  size_t entries() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(path_), {}));
  }

 private:
  std::string path_;
};

}  // namespace rotor::test
