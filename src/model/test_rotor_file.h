// SPDX-License-Identifier: Apache-2.0
// A small .rotor file for tests that damage it.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/test_folder.h"
#include "io/safetensors.h"
#include "model/rotor_export.h"
#include "model/test_model.h"

namespace rotor::test {

// A folder with "m.rotor", a model with everything such a file can hold but a tokenizer. One with scales
// of groups has more than one of 64 columns a row in `down`.
class RotorFile : public TestFolder {
 public:
  explicit RotorFile(const TestModelOptions& options = {.scale = TernaryScale::Granularity::kRow}) {
    ModelConfig config = test_config();
    config.tied_head = false;
    config.ffn = options.scale == TernaryScale::Granularity::kGroup ? 200 : config.ffn;
    ModelSource source = test_source(config, options);
    source.chat_template = "{{ messages[0]['content'] }}";
    source.end_of_generation = {5};
    ThreadPool pool(1);
    const auto result = convert_to_rotor(source, path("m.rotor"), pool, {}, nullptr);
    EXPECT_TRUE(result.ok()) << result.status().message();
    content_ = get("m.rotor");
    auto structure = SafetensorsFile::open(path("m.rotor"));
    EXPECT_TRUE(structure.ok()) << structure.status().message();
    structure_ = *std::move(structure);
  }

  const std::string& content() const { return content_; }
  const SafetensorsFile& structure() const { return structure_; }

 private:
  std::string content_;
  SafetensorsFile structure_;
};

}  // namespace rotor::test
