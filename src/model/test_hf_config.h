// SPDX-License-Identifier: Apache-2.0
// A sound config.json with one field replaced, read.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "model/hf_config.h"
#include "model/test_files.h"

namespace rotor::test {

inline Result<HfConfig> with(const std::string& key, const std::string& json) {
  HfFiles files = hf_files();
  files.config[key] = json;
  return parse_hf_config(files.config_json(), "config.json");
}

inline HfConfig read(const std::string& key, const std::string& json) {
  const Result<HfConfig> config = with(key, json);
  EXPECT_TRUE(config.ok()) << config.status().message();
  return config.ok() ? *config : HfConfig();
}

inline std::string refused(const std::string& key, const std::string& json) {
  return with(key, json).status().message();
}

}  // namespace rotor::test
