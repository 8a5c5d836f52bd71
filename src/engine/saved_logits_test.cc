// SPDX-License-Identifier: Apache-2.0
// What is written comes back within half a step; files that lie are refused by field and offset.
#include "engine/saved_logits.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "engine/fake_executor.h"

namespace rotor {
namespace {

std::string temporary_path(const char* name) {
  return testing::TempDir() + "saved_logits_test." + std::to_string(::getpid()) + "." + name;
}

std::vector<float> logits_of(size_t row, size_t vocab) {
  return fake_logits({static_cast<TokenId>(row)}, vocab);
}

// A file of two chunks of four tokens; one row each.
std::string content_of(size_t vocab) {
  const std::string path = temporary_path("content");
  const SavedLogitsHeader header{4, vocab, {0, 1, 2, 3, 4, 3, 2, 1}};
  auto writer = SavedLogitsWriter::create(path, header);
  EXPECT_TRUE(writer.ok()) << writer.status().message();
  for (size_t row = 0; row < header.rows(); ++row) {
    const std::vector<float> logits = logits_of(row, vocab);
    EXPECT_TRUE(writer->write(logits, log_softmax(logits)).ok());
  }
  EXPECT_TRUE(writer->commit().ok());
  const std::string content = *read_text_file(path, 1 << 20);
  std::filesystem::remove(path);
  return content;
}

Result<SavedLogitsReader> parse(std::string content) {
  return SavedLogitsReader::parse(File::from_memory(std::move(content), "input"));
}

TEST(SavedLogits, ComeBackWithinHalfAStep) {
  for (const size_t vocab : {5, 6, 300}) {
    auto reader = parse(content_of(vocab));
    ASSERT_TRUE(reader.ok()) << reader.status().message();
    EXPECT_EQ(reader->header().context, 4u);
    EXPECT_EQ(reader->header().vocab, vocab);
    EXPECT_EQ(reader->header().chunks(), 2u);
    EXPECT_EQ(reader->header().tokens, (std::vector<TokenId>{0, 1, 2, 3, 4, 3, 2, 1}));
    for (size_t row = 0; row < 2; ++row) {
      const auto saved = reader->next();
      ASSERT_TRUE(saved.ok()) << saved.status().message();
      const std::vector<float> logits = logits_of(row, vocab);
      const LogSoftmax log_probability = log_softmax(logits);
      for (size_t i = 0; i < vocab; ++i) {
        EXPECT_NEAR((**saved)[i], log_probability(logits[i]), 8.0 / 65535 / 2 + 1e-5);
      }
    }
    EXPECT_EQ(reader->next().status().code(), Code::kFormatError) << "after the last row";
  }
}

// Two chunks of one row: 8 + 3 * 4 + 8 * 4 bytes, then rows of 8 + 2 * 6 bytes.
TEST(SavedLogits, HasTheBytesOfTheFormat) {
  const std::string content = content_of(5);
  ASSERT_EQ(content.size(), 52u + 2 * 20u);
  EXPECT_EQ(content.substr(0, 8), "_logits_");
  const auto at = [&](size_t offset, auto value) {
    std::memcpy(&value, content.data() + offset, sizeof(value));
    return value;
  };
  EXPECT_EQ(at(8, int32_t{}), 4);
  EXPECT_EQ(at(12, int32_t{}), 5);
  EXPECT_EQ(at(16, int32_t{}), 2);
  EXPECT_EQ(at(20 + 4 * 4, int32_t{}), 4);
  const std::vector<float> logits = logits_of(0, 5);
  const auto [min, max] = std::minmax_element(logits.begin(), logits.end());
  EXPECT_EQ(at(52, float{}), (*max - *min) / 65535.0f);
  EXPECT_NEAR(at(56, float{}), log_softmax(logits)(*min), 1e-6);
  EXPECT_EQ(at(60 + 2 * static_cast<size_t>(max - logits.begin()), uint16_t{}), 65535);
  EXPECT_EQ(at(60 + 2 * static_cast<size_t>(min - logits.begin()), uint16_t{}), 0);
  EXPECT_EQ(at(70, uint16_t{}), 0) << "the code without meaning";
}

TEST(SavedLogits, FarAndEqualLogits) {
  const std::string path = temporary_path("far");
  auto writer = SavedLogitsWriter::create(path, {4, 3, {0, 1, 2, 0, 0, 1, 2, 0, 0, 1, 2, 0}});
  ASSERT_TRUE(writer.ok());
  const std::vector<std::vector<float>> rows = {
      {100, 90, -1e30f}, {-7, -7, -7}, {0, 1e-45f, 1e-44f}};
  for (const std::vector<float>& logits : rows) {
    ASSERT_TRUE(writer->write(logits, log_softmax(logits)).ok());
  }
  EXPECT_FALSE(writer->write(rows[0], log_softmax(rows[0])).ok()) << "one too many";
  ASSERT_TRUE(writer->commit().ok());
  auto reader = SavedLogitsReader::open(path);
  ASSERT_TRUE(reader.ok());
  const SavedRow* row = *reader->next();
  EXPECT_NEAR((*row)[0], 0, 1e-4);
  EXPECT_NEAR((*row)[1], -10, 2e-4);
  EXPECT_NEAR((*row)[2], -16, 1e-4) << "not told apart from what is less likely";
  row = *reader->next();
  EXPECT_FLOAT_EQ((*row)[0], -std::log(3.0f));
  row = *reader->next();
  EXPECT_FLOAT_EQ((*row)[2], -std::log(3.0f));
  std::filesystem::remove(path);
}

TEST(SavedLogits, AFileWithMissingRowsIsNotWritten) {
  const std::string path = temporary_path("missing");
  {
    auto writer = SavedLogitsWriter::create(path, {4, 3, {0, 1, 2, 0}});
    ASSERT_TRUE(writer.ok());
    EXPECT_EQ(writer->commit().code(), Code::kInternal);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(SavedLogitsWriter::create(path, {4, 3, {0, 1, 2}}).ok());
  EXPECT_FALSE(SavedLogitsWriter::create(path, {2, 3, {0, 1}}).ok());
  EXPECT_FALSE(SavedLogitsWriter::create(path, {4, 0, {0, 1, 2, 0}}).ok());
}

TEST(SavedLogits, EveryTruncationIsRefused) {
  const std::string content = content_of(5);
  for (size_t size = 0; size < content.size(); ++size) {
    const auto reader = parse(content.substr(0, size));
    ASSERT_EQ(reader.status().code(), Code::kFormatError) << size;
    EXPECT_NE(reader.status().message().find("input"), std::string::npos);
  }
  EXPECT_FALSE(parse(content + "x").ok());
}

TEST(SavedLogits, NumbersThatLieAreRefused) {
  const std::string content = content_of(5);
  const auto with = [&](size_t offset, auto value) {
    std::string changed = content;
    std::memcpy(changed.data() + offset, &value, sizeof(value));
    return changed;
  };
  for (const size_t offset : {8, 12, 16}) {
    for (const int32_t value : {-1, 0, 1, 7, 0x7fffffff}) {
      EXPECT_EQ(parse(with(offset, value)).status().code(), Code::kFormatError) << value;
    }
  }
  for (const int32_t token : {-1, 5, 0x7fffffff}) {
    const auto reader = parse(with(20 + 4 * 3, token));
    EXPECT_NE(reader.status().message().find("offset 32"), std::string::npos)
        << reader.status().message();
  }
  for (const auto& [offset, value] : std::vector<std::pair<size_t, float>>{
           {52, -1.0f}, {52, NAN}, {52, INFINITY}, {52, 1e30f}, {56, NAN}, {56, 1.0f}}) {
    auto reader = parse(with(offset, value));
    ASSERT_TRUE(reader.ok());
    const auto row = reader->next();
    EXPECT_EQ(row.status().code(), Code::kFormatError);
    EXPECT_NE(row.status().message().find("offset 52"), std::string::npos);
  }
}

}  // namespace
}  // namespace rotor
