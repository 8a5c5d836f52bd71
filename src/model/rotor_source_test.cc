// SPDX-License-Identifier: Apache-2.0
// Opening .rotor files that were cut, damaged or made by someone else: an error that says what is
// wrong, or a model that loads.
#include "model/rotor_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "model/loader.h"
#include "model/rotor_names.h"
#include "model/test_rotor_file.h"

namespace rotor {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class RotorSource : public testing::Test {
 protected:
  static Result<ModelSource> open(std::string_view content) {
    auto file = SafetensorsFile::parse(File::from_memory(std::string(content), "damaged.rotor"));
    return file.ok() ? rotor_source(*std::move(file)) : file.status();
  }
  static Status load(std::string_view content) {
    ROTOR_ASSIGN(ModelSource source, open(content));
    ThreadPool pool(1);
    return load_model(std::move(source), {}, pool).status();
  }
  static std::string refusal(std::string_view content) {
    const Status status = open(content).status();
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(status.message(), HasSubstr("damaged.rotor"));
    return status.message();
  }

  // The file with `text`, which it holds once, replaced by another of the same length.
  std::string with(std::string_view text, std::string_view other) const {
    EXPECT_EQ(text.size(), other.size());
    std::string content = file_.content();
    const size_t at = content.find(text);
    EXPECT_NE(at, std::string::npos) << text;
    return content.replace(at, text.size(), other);
  }

  std::string with_float(const std::string& tensor, size_t index, float value) const {
    std::string content = file_.content();
    std::memcpy(content.data() + file_.structure().find(tensor)->offset + index * sizeof(float),
                &value, sizeof(float));
    return content;
  }

  size_t header_bytes() const { return file_.structure().tensors().front().offset; }

  const test::RotorFile file_;
};

TEST_F(RotorSource, OpensWhatConvertWrote) {
  const auto source = rotor_source(file_.path("m.rotor"));
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_EQ(source->container, "rotor");
  EXPECT_EQ(source->chat_template, "{{ messages[0]['content'] }}");
  EXPECT_EQ(source->layers[1].linear[0].tensor, "layers.1.q.weight");
  EXPECT_EQ(source->layers[1].linear[0].layout, "dense243");
  EXPECT_EQ(source->layers[1].linear[0].scale.values.size(), 48u);
}

// The last matrix of the file, read in runs and packed into every layout.
TEST_F(RotorSource, PackingIsReadingAndPacking) {
  const auto source = rotor_source(file_.path("m.rotor"));
  ASSERT_TRUE(source.ok());
  const TritReader& reader = *source->layers[1].linear[6].trits;
  const VectorTrits plain(reader.rows(), reader.cols(), all_trits(reader));
  for (size_t f = 0; f < kTernaryFormats; ++f) {
    const TernaryFormat format = static_cast<TernaryFormat>(f);
    std::vector<uint8_t> direct(2 * row_block_bytes(format, reader.cols()));
    std::vector<uint8_t> expected(direct.size());
    ASSERT_TRUE(reader.pack(1, 3, format, direct.data()).ok());
    ASSERT_TRUE(plain.pack(1, 3, format, expected.data()).ok());
    EXPECT_EQ(direct, expected) << format_info(format).name;
  }
}

TEST_F(RotorSource, EveryCutIsRefused) {
  const std::string& content = file_.content();
  std::vector<size_t> cuts = {0, 1, 7, 8, 9, header_bytes() - 1, content.size() - 1};
  for (const SafetensorsTensor& tensor : file_.structure().tensors()) {
    cuts.insert(cuts.end(), {tensor.offset, tensor.offset + 1, tensor.offset + tensor.bytes - 1});
  }
  std::mt19937 random(1);
  for (int i = 0; i < 300; ++i) {
    cuts.push_back(random() % content.size());
  }
  for (const size_t cut : cuts) {
    SCOPED_TRACE("cut at " + std::to_string(cut));
    refusal(std::string_view(content).substr(0, cut));
  }
}

// One bit of every byte of header and config, then of bytes anywhere.
TEST_F(RotorSource, AFlippedBitIsAnErrorOrAModel) {
  const SafetensorsTensor config = *file_.structure().find(rotor_names::kConfig);
  std::mt19937 random(1);
  std::vector<size_t> places;
  for (size_t at = 0; at < config.offset + config.bytes; ++at) {
    places.push_back(at);
  }
  for (int i = 0; i < 300; ++i) {
    places.push_back(random() % file_.content().size());
  }
  size_t loaded = 0;
  std::string content = file_.content();
  for (const size_t at : places) {
    const char before = content[at];
    content[at] = static_cast<char>(before ^ (1 << random() % 8));
    loaded += load(content).ok();
    content[at] = before;
  }
  EXPECT_GT(loaded, 100u);  // checksums and names are not looked at when loading
  EXPECT_LT(loaded, places.size() - 100);
}

TEST_F(RotorSource, NamesTensorsThatAreMissing) {
  for (const std::string name :
       {"embed.weight", "head.weight", "output_norm.weight", "layers.0.attn_norm.weight",
        "layers.1.ffn_sub_norm.weight", "layers.0.q.weight", "layers.1.down.weight",
        "layers.1.gate.scale"}) {
    std::string other = name;
    other.back() = '_';
    EXPECT_THAT(refusal(with("\"" + name + "\"", "\"" + other + "\"")),
                HasSubstr("tensor '" + name + "' is missing"));
  }
}

TEST_F(RotorSource, NamesTensorsOfOtherShapesAndTypes) {
  EXPECT_THAT(refusal(with(R"("hidden_size":40)", R"("hidden_size":48)")),
              AllOf(HasSubstr("tensor 'embed.weight' at byte"), HasSubstr("expected BF16 [97, 48]"),
                    HasSubstr("got BF16 [97, 40]")));
  EXPECT_THAT(refusal(with(R"("embed_type":"bf16")", R"("embed_type":"q8_0")")),
              HasSubstr("tensor 'embed.weight': rows of 40 values are no whole blocks of q8_0"));
  EXPECT_THAT(refusal(with(R"("num_hidden_layers":2)", R"("num_hidden_layers":3)")),
              HasSubstr("tensor 'layers.2.attn_norm.weight' is missing"));
  EXPECT_THAT(refusal(with(R"("num_hidden_layers":2)", R"("num_hidden_layers":1)")),
              HasSubstr("num_hidden_layers is 1, but tensor 'layers.1."));
}

TEST_F(RotorSource, NamesScalesAndNormsThatAreNotFinite) {
  for (const float bad : {std::nanf(""), HUGE_VALF, -HUGE_VALF}) {
    EXPECT_THAT(refusal(with_float("layers.1.up.scale", 5, bad)),
                AllOf(HasSubstr("tensor 'layers.1.up.scale' at byte"), HasSubstr("value 5")));
    EXPECT_THAT(refusal(with_float("layers.0.ffn_norm.weight", 39, bad)),
                AllOf(HasSubstr("tensor 'layers.0.ffn_norm.weight'"), HasSubstr("value 39")));
  }
}

// 243 trits of five make 0..242; the other bytes are found when the matrix is read.
TEST_F(RotorSource, NamesTheByteThatIsNoTrits) {
  std::string content = file_.content();
  content[file_.structure().find("layers.1.v.weight")->offset + 200] = '\xf3';
  const Status status = load(content);
  EXPECT_EQ(status.code(), Code::kFormatError);
  EXPECT_THAT(status.message(),
              HasSubstr("tensor 'layers.1.v.weight', byte 200: expected 0..242, got 243"));
}

// As RotorSource, with f16 scales of groups of 64 columns.
class RotorGroups : public RotorSource {
 protected:
  // The file with another type or shape, of as many bytes, for the scales of a matrix.
  std::string with_scales(std::string_view tensor, std::string_view old,
                          std::string_view other) const {
    const std::string begin = "\"" + std::string(tensor) + "\":{\"dtype\":";
    std::string content = groups_.content();
    const size_t at = content.find(begin);
    EXPECT_NE(at, std::string::npos);
    const size_t value = content.find(old, at);
    EXPECT_LT(value, at + 80) << old;
    EXPECT_EQ(old.size(), other.size());
    return content.replace(value, old.size(), other);
  }

  const test::RotorFile groups_{TestModelOptions{.scale = TernaryScale::Granularity::kGroup}};
};

TEST_F(RotorGroups, OpensWhatConvertWrote) {
  const auto source = rotor_source(groups_.path("m.rotor"));
  ASSERT_TRUE(source.ok()) << source.status().message();
  const LinearSource& down = source->layers[1].linear[6];
  EXPECT_EQ(down.scale.group, (GroupShape{64, GroupScaleType::kF16}));
  EXPECT_TRUE(down.scale.values.empty());
  EXPECT_EQ(all_group_scales(down).size(), 40u * 4);
  EXPECT_EQ(groups_.structure().find("layers.1.down.scale")->dtype, DType::kF16);
  EXPECT_TRUE(load(groups_.content()).ok());
}

TEST_F(RotorGroups, RefusesShapesThatNoGroupsMake) {
  EXPECT_THAT(refusal(with_scales("layers.1.down.scale", "[40,4]", "[80,2]")),
              AllOf(HasSubstr("tensor 'layers.1.down.scale' at byte"),
                    HasSubstr("expected F16 or F32 [40, groups of 64, 128 or 256 of 200 columns]"),
                    HasSubstr("got F16 [80, 2]")));
  EXPECT_THAT(refusal(with_scales("layers.1.down.scale", "[40,4]", "[4,40]")), HasSubstr("[4, 40]"));
  EXPECT_THAT(refusal(with_scales("layers.1.down.scale", "[40,4]", "[160] ")),
              HasSubstr("expected F32 [1], got F16 [160]"));
  EXPECT_THAT(refusal(with_scales("layers.1.down.scale", "\"F16\",\"shape\":[40,4]",
                                  "\"I16\",\"shape\":[40,4]")),
              HasSubstr("got I16 [40, 4]"));
}

TEST_F(RotorGroups, NamesTheScaleThatIsNotFinite) {
  std::string content = groups_.content();
  const size_t at = groups_.structure().find("layers.0.down.scale")->offset;
  const uint16_t infinity = 0x7c00;
  std::memcpy(content.data() + at + 2 * 150, &infinity, 2);
  const Status status = load(content);
  EXPECT_EQ(status.code(), Code::kFormatError);
  EXPECT_THAT(status.message(),
              HasSubstr("tensor 'layers.0.down.scale', byte 300: expected a finite"));
}

TEST_F(RotorGroups, EveryCutIsRefused) {
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) {
    refusal(std::string_view(groups_.content()).substr(0, random() % groups_.content().size()));
  }
}

TEST_F(RotorSource, NamesTheConfig) {
  EXPECT_THAT(refusal(with(R"("hidden_size":40)", R"("hidden_size":4,)")),
              HasSubstr(": tensor 'config': not valid JSON"));
  EXPECT_THAT(refusal(with(R"("hidden_size":40)", R"("hidden_size":"")")),
              HasSubstr(": tensor 'config': key \"hidden_size\": expected an integer"));
}

TEST_F(RotorSource, RefusesOtherVersions) {
  const std::string message = refusal(with(R"("rotor.version":"1")", R"("rotor.version":"9")"));
  EXPECT_THAT(message, AllOf(HasSubstr("reads version 1"), HasSubstr("the file says '9'")));
}

TEST_F(RotorSource, RefusesAFileWithoutAVersion) {
  EXPECT_THAT(refusal(with(R"("rotor.version":"1")", R"("other.version":"1")")),
              HasSubstr("the metadata has no rotor.version"));
}

}  // namespace
}  // namespace rotor
