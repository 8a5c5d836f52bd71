// SPDX-License-Identifier: Apache-2.0
// How a path finds its reader, and what is refused before any reader is asked.
#include "model/model_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "model/test_files.h"
#include "model/test_model.h"

namespace rotor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Status open(const std::string& path) { return open_model_source(path, {}).status(); }

TEST(ModelSource, ShapesOfMatrices) {
  const ModelConfig c = test_config();  // hidden 40, ffn 56, q_rows 48, kv_rows 24
  std::vector<std::pair<size_t, size_t>> shapes;
  for (size_t role = 0; role < kLinearRoles; ++role) {
    const MatrixShape shape = linear_shape(c, static_cast<LinearRole>(role));
    shapes.emplace_back(shape.rows, shape.cols);
  }
  EXPECT_THAT(shapes, ElementsAre(std::pair(48, 40), std::pair(24, 40), std::pair(24, 40),
                                  std::pair(40, 48), std::pair(56, 40), std::pair(56, 40),
                                  std::pair(40, 56)));
}

TEST(ModelSource, SyntheticModelsTakeASeed) {
  const auto trits_of = [](const std::string& name) {
    const auto source = open_model_source(name, {});
    EXPECT_TRUE(source.ok()) << source.status().message();
    return all_trits(*source->layers[0].linear[0].trits);
  };
  EXPECT_EQ(trits_of("synthetic:tiny"), trits_of("synthetic:tiny:0"));
  EXPECT_NE(trits_of("synthetic:tiny"), trits_of("synthetic:tiny:18446744073709551615"));
  for (const char* bad : {"synthetic:tiny:", "synthetic:tiny:x", "synthetic:tiny:1x",
                          "synthetic:tiny:-1", "synthetic:tiny:18446744073709551616"}) {
    EXPECT_EQ(open(bad).code(), Code::kInvalidArgument) << bad;
    EXPECT_THAT(open(bad).message(), HasSubstr("synthetic:NAME:SEED"));
  }
}

TEST(ModelSource, RefusesWhatIsNoModelByItsPath) {
  const test::TestFolder folder;
  EXPECT_EQ(open(folder.path("absent")).code(), Code::kNotFound);
  const std::string tokenizer = folder.put("tokenizer.json", "{}");
  EXPECT_EQ(open(tokenizer).code(), Code::kFormatError);
  EXPECT_THAT(open(tokenizer).message(), HasSubstr(tokenizer + ": holds a tokenizer"));
  for (const char* name :
       {"config.json", "generation_config.json", "model.safetensors.index.json"}) {
    const std::string path = folder.put(name, "{}");
    EXPECT_EQ(open(path).message(), path + ": is one file of a Hugging Face folder, not a model; "
                                           "give the folder, " + folder.path());
  }
  const std::string text = folder.put("notes.txt", "no model at all");
  EXPECT_THAT(open(text).message(), HasSubstr(text));
  for (const char* name : {"m.gguf", "m.rotor", "m.safetensors"}) {
    EXPECT_THAT(open(folder.put(name, "")).message(), HasSubstr(folder.path(name)));
  }
}

TEST(ModelSource, EveryTokenHasARowOfTheEmbedding) {
  const test::TestFolder folder;
  test::GgufFiles files = test::gguf_files();  // 6 rows
  files.keys["tokenizer.ggml.model"] = "gpt2";
  std::vector<std::string> tokens = {"a", "b", "c", "d", "e"};
  for (const bool fits : {true, true, false}) {
    files.keys["tokenizer.ggml.tokens"] = tokens;
    const Status status = open(folder.put("m.gguf", files.bytes()));
    EXPECT_EQ(status.ok(), fits) << status.message();
    EXPECT_THAT(status.message(),
                HasSubstr(fits ? "" : "m.gguf: the tokenizer has 7 tokens, but the embedding "
                                      "(token_embd.weight) has only 6 rows"));
    tokens.push_back(std::string(1, static_cast<char>('a' + tokens.size())));
  }
}

TEST(ModelSource, TakesTextWithItsNotesAfterItsOwn) {
  ModelSource source = test_source(test_config());
  source.notes = {"own note"};
  source.warnings = {"own warning"};
  source.take_text({TokenizerSpec{}, "{{ text }}", {"note"}, {"warning"}});
  EXPECT_TRUE(source.tokenizer.has_value());
  EXPECT_EQ(source.chat_template, "{{ text }}");
  EXPECT_THAT(source.notes, ElementsAre("own note", "note"));
  EXPECT_THAT(source.warnings, ElementsAre("own warning", "warning"));
}

TEST(ModelSource, WarnsOfZeroMatricesByName) {
  std::vector<std::string> warnings;
  warn_of_zero_matrices(
      test_source(test_config()),
      [](size_t layer, LinearRole role) { return layer == 1 && role == LinearRole::kUp; },
      warnings);
  EXPECT_THAT(warnings, ElementsAre("tensor 'layers.1.up' holds only zeros"));
}

TEST(ModelSource, NamesEveryRuleOfItsScalesOnce) {
  using Granularity = TernaryScale::Granularity;
  ModelSource source = test_source(test_config());
  EXPECT_EQ(scale_rule_text(source), "one multiplier a matrix");
  EXPECT_FALSE(has_group_scales(source));
  source.layers[0].linear[1].scale.granularity = Granularity::kRow;
  source.layers[1].linear[6].scale.granularity = Granularity::kGroup;
  source.layers[1].linear[6].scale.group = {256, GroupScaleType::kF32};
  EXPECT_TRUE(has_group_scales(source));
  EXPECT_TRUE(check_format(source, TernaryFormat::kI2).ok());
  EXPECT_EQ(check_format(source, TernaryFormat::kPlanes2).code(), Code::kInvalidArgument);
  EXPECT_EQ(scale_rule_text(source), "one multiplier a matrix; one multiplier a row; "
                                     "one multiplier for each 256 columns of a row (f32)");
}

}  // namespace
}  // namespace rotor
