// SPDX-License-Identifier: Apache-2.0
// What a request may not be, and that the message says why.
#include <rotor/generation.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace rotor {
namespace {

using ::testing::HasSubstr;

constexpr size_t kVocab = 50;
constexpr size_t kContext = 10;

GenerationRequest request() {
  GenerationRequest request;
  request.prompt = {1, 2, 3};
  return request;
}

void expect_refused(const GenerationRequest& request, const char* part) {
  const Status status = validate(request, kVocab, kContext);
  EXPECT_EQ(status.code(), Code::kInvalidArgument) << part;
  EXPECT_THAT(status.message(), HasSubstr(part));
}

TEST(GenerationRequest, DefaultsAreValid) {
  EXPECT_TRUE(validate(request(), kVocab, kContext).ok());
}

TEST(GenerationRequest, ALongPromptIsReportedWithBothNumbers) {
  GenerationRequest r = request();
  r.prompt.assign(kContext, 1);
  EXPECT_TRUE(validate(r, kVocab, kContext).ok());
  r.prompt.push_back(1);
  expect_refused(r, "11");
  expect_refused(r, "10");
}

TEST(GenerationRequest, PromptAndEndsAreTokens) {
  GenerationRequest r = request();
  r.prompt.clear();
  expect_refused(r, "empty");
  for (const TokenId bad : {-1, 50}) {
    r = request();
    r.prompt[1] = bad;
    expect_refused(r, "token 1 of the prompt");
    r = request();
    r.end_of_generation = {bad};
    expect_refused(r, "end_of_generation");
  }
}

TEST(GenerationRequest, CountsHaveRanges) {
  for (const size_t bad : {size_t{0}, kMaxAnswers + 1, SIZE_MAX}) {
    GenerationRequest r = request();
    r.answers = bad;
    expect_refused(r, "answers");
    r = request();
    r.beam_width = bad;
    expect_refused(r, "beam_width");
  }
}

TEST(GenerationRequest, BeamSearchHasItsOwnRules) {
  GenerationRequest r = request();
  r.beam_width = 4;
  EXPECT_TRUE(validate(r, kVocab, kContext).ok());
  r.answers = 5;
  expect_refused(r, "beams");
  r.answers = 4;
  r.stop = {"x"};
  expect_refused(r, "stop strings");
  for (const float bad : {NAN, INFINITY, -8.1f, 8.1f}) {
    r = request();
    r.length_penalty = bad;
    expect_refused(r, "length_penalty");
  }
}

TEST(GenerationRequest, StopsAndSamplingAreChecked) {
  GenerationRequest r = request();
  r.stop = {"ok", ""};
  expect_refused(r, "stop string 1");
  r = request();
  r.sampling.top_p = NAN;
  expect_refused(r, "top_p");
}

}  // namespace
}  // namespace rotor
