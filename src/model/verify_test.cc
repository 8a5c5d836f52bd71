// SPDX-License-Identifier: Apache-2.0
// verify finds every damaged byte of a .rotor file's tensors and says where it is.
#include "model/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "model/test_rotor_file.h"

namespace rotor {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class Verify : public testing::Test {
 protected:
  Result<VerifyReport> verify(const std::string& path) { return verify_model(path, {}, pool_, {}); }
  Status verify_damaged(std::string_view content) {
    return verify(file_.put("damaged.rotor", content)).status();
  }
  // A file made from `source`.
  std::string converted(const ModelSource& source) {
    const std::string path = file_.path("converted.rotor");
    EXPECT_TRUE(convert_to_rotor(source, path, pool_, {}, nullptr).ok());
    return path;
  }

  const test::RotorFile file_;
  ThreadPool pool_{2};
};

TEST_F(Verify, AnIntactFile) {
  const auto report = verify(file_.path("m.rotor"));
  ASSERT_TRUE(report.ok()) << report.status().message();
  size_t tensors = 0;
  for (const SafetensorsTensor& tensor : file_.structure().tensors()) {
    tensors += !tensor.name.starts_with("rotor.pad.");
  }
  EXPECT_EQ(report->container, "rotor");
  EXPECT_EQ(report->hashes_checked, tensors);
  EXPECT_EQ(report->matrices, 14u);
  EXPECT_EQ(report->scale_rule, "one multiplier a row");
  EXPECT_EQ(report->trits_sha256, file_.structure().metadata().at("rotor.trits_sha256"));
  EXPECT_THAT(report->warnings, ElementsAre("the file holds no tokenizer"));
}

// Scales of groups that are not finite in the source, whose checksum is therefore right.
TEST_F(Verify, ReadsEveryScaleOfAGroup) {
  const TestModelOptions options = {.scale = TernaryScale::Granularity::kGroup,
                                    .group = {128, GroupScaleType::kF32}};
  ModelSource source = test_source(test_config(), options);
  const auto report = verify(converted(source));
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->scale_rule, "one multiplier for each 64 columns of a row (f32)");
  std::vector<float> scales = all_group_scales(source.layers[1].linear[4]);
  scales[30] = std::nanf("");
  source.layers[1].linear[4].group_scales = std::make_unique<VectorGroupScales>(1, scales);
  const Status status = verify(converted(source)).status();
  EXPECT_EQ(status.code(), Code::kFormatError);
  EXPECT_THAT(status.message(),
              HasSubstr("tensor 'layers.1.gate.scale', byte 120: expected a finite"));
}

TEST_F(Verify, FindsOneFlippedBitInEveryTensor) {
  std::mt19937 random(1);
  for (const SafetensorsTensor& tensor : file_.structure().tensors()) {
    std::string content = file_.content();
    char& byte = content[tensor.offset + random() % tensor.bytes];
    byte = static_cast<char>(byte ^ (1 << random() % 8));
    const Status status = verify_damaged(content);
    EXPECT_FALSE(status.ok()) << tensor.name;
    EXPECT_THAT(status.message(), HasSubstr("damaged.rotor"));
    if (tensor.name != "config") {  // may fail as JSON, or as the shape of another tensor
      EXPECT_THAT(status.message(), HasSubstr("tensor '" + tensor.name + "'"));
    }
  }
}

// One trit becomes another: the byte is as good as before, only the checksum is not.
TEST_F(Verify, NamesTheTensorOfAFlippedTrit) {
  const SafetensorsTensor& tensor = *file_.structure().find("layers.1.o.weight");
  std::string content = file_.content();
  char& byte = content[tensor.offset + 100];
  byte = static_cast<char>(byte % 3 == 0 ? byte + 1 : byte - 1);
  const Status status = verify_damaged(content);
  EXPECT_EQ(status.code(), Code::kVerificationFailed);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("tensor 'layers.1.o.weight'"),
                    HasSubstr(std::to_string(tensor.offset) + ".."), HasSubstr("SHA-256")));
}

TEST_F(Verify, ComparesEveryRecordedChecksum) {
  for (const auto& [key, value] : file_.structure().metadata()) {
    if (!key.starts_with("sha256.") && key != "rotor.trits_sha256") {
      continue;
    }
    std::string content = file_.content();
    char& digit = content[content.find(value, content.find("\"" + key + "\""))];
    digit = digit == '0' ? '1' : '0';
    const Status status = verify_damaged(content);
    EXPECT_EQ(status.code(), Code::kVerificationFailed) << key;
    EXPECT_THAT(status.message(),
                HasSubstr(key.starts_with("sha256.") ? key.substr(strlen("sha256.")) : key));
  }
}

TEST_F(Verify, FindsValuesThatAreNotFinite) {
  for (const FloatType type : {FloatType::kF32, FloatType::kF16, FloatType::kBf16}) {
    ModelSource source = test_source(test_config(), {.embed = type});
    const size_t item = type == FloatType::kF32 ? 4 : 2;
    const size_t row_bytes = 40 * item;
    std::vector<std::byte> rows(97 * row_bytes);
    ASSERT_TRUE(source.embed.reader->read(0, 97, rows.data()).ok());
    const size_t at = 96 * row_bytes + 7 * item;
    const float nan = std::nanf("");
    const uint16_t half = type == FloatType::kF16 ? float_to_f16(nan) : float_to_bf16(nan);
    std::memcpy(rows.data() + at, item == 4 ? static_cast<const void*>(&nan) : &half, item);
    source.embed.reader = std::make_unique<VectorRows>(row_bytes, rows);
    const Status status = verify(converted(source)).status();
    EXPECT_EQ(status.code(), Code::kFormatError);
    EXPECT_THAT(status.message(),
                AllOf(HasSubstr("tensor 'embed.weight'"), HasSubstr("byte " + std::to_string(at))));
  }
}

TEST_F(Verify, WarnsOfAMatrixOfZeros) {
  ModelSource source = test_source(test_config());
  replace_trits(source.layers[1].linear[4], std::vector<int8_t>(56 * 40, 0));
  const auto report = verify(converted(source));
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_THAT(report->warnings,
              testing::Contains("tensor 'layers.1.gate.weight' holds only zeros"));
}

TEST_F(Verify, ReportsProgressUpToTheEnd) {
  std::string phase;
  uint64_t last = 0;
  uint64_t end = 0;
  const auto report = verify_model(
      file_.path("m.rotor"), {}, pool_, [&](std::string_view what, uint64_t done, uint64_t total) {
        EXPECT_LE(done, total);
        EXPECT_TRUE(what != phase || done > last) << what << " " << done;
        phase = what;
        last = done;
        end = total;
      });
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(last, end);
}

TEST_F(Verify, OtherContainersHaveNoHashes) {
  const auto report = verify("synthetic:tiny");
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->hashes_checked, 0u);
  EXPECT_EQ(verify(file_.path("absent.rotor")).status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace rotor
