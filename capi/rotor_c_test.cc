// SPDX-License-Identifier: Apache-2.0
// The C interface against the C++ one, on the shipped story model.
#include <rotor/language_model.h>
#include <rotor/rotor_c.h>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "model/model_source.h"
#include "model/test_lora.h"

namespace {

std::string story_model() { return std::string(std::getenv("ROTOR_SOURCE_DIR")) + "/models/stories.rotor"; }

struct Close {
  void operator()(rotor_model* model) const { rotor_close(model); }
};
using Model = std::unique_ptr<rotor_model, Close>;

Model open(const std::string& path, size_t context = 256) {
  rotor_open_options options;
  rotor_open_options_init(&options);
  options.threads = 2;
  options.context = context;
  options.sequences = 4;
  rotor_model* model = nullptr;
  EXPECT_EQ(rotor_open(path.c_str(), &options, &model), ROTOR_OK) << rotor_last_error();
  return Model(model);
}

std::vector<int32_t> encode(const rotor_model* model, const std::string& text) {
  size_t count = 0;
  EXPECT_EQ(rotor_encode(model, text.data(), text.size(), nullptr, 0, &count), ROTOR_OK);
  std::vector<int32_t> tokens(count);
  EXPECT_EQ(rotor_encode(model, text.data(), text.size(), tokens.data(), count, &count), ROTOR_OK);
  return tokens;
}

// What the callback gets, by answer.
struct Collected {
  std::vector<std::string> texts = std::vector<std::string>(4);
  std::vector<std::vector<int32_t>> tokens = std::vector<std::vector<int32_t>>(4);
  std::vector<rotor_finish_reason> ends = std::vector<rotor_finish_reason>(4);
  size_t stop_after = std::numeric_limits<size_t>::max();
  size_t events = 0;
};

int32_t collect(const rotor_event* event, void* user) {
  auto& to = *static_cast<Collected*>(user);
  to.texts[event->answer].append(event->text, event->text_bytes);
  EXPECT_EQ(event->text[event->text_bytes], '\0');
  if (event->token >= 0) {
    to.tokens[event->answer].push_back(event->token);
  }
  to.ends[event->answer] = event->finish_reason;
  return ++to.events >= to.stop_after ? 1 : 0;
}

rotor_request request_of(const std::vector<int32_t>& prompt, size_t tokens) {
  rotor_request request;
  rotor_request_init(&request);
  request.prompt = prompt.data();
  request.prompt_tokens = prompt.size();
  request.max_new_tokens = tokens;
  return request;
}

TEST(RotorC, GivesWhatTheLibraryGives) {
  const Model model = open(story_model());
  const std::vector<int32_t> prompt = encode(model.get(), "Once upon a time");
  rotor_request request = request_of(prompt, 24);
  request.answers = 2;
  request.seed = 7;
  request.temperature = 0.9f;
  request.log_probabilities = 1;
  const rotor_logit_bias bias = {300, -std::numeric_limits<float>::infinity()};
  request.logit_bias = &bias;
  request.logit_bias_count = 1;
  const char* const stop[] = {"\n\n"};
  request.stop = stop;
  request.stop_count = 1;
  Collected got;
  rotor_stats stats{};
  stats.size = sizeof(stats);
  ASSERT_EQ(rotor_generate(model.get(), &request, collect, &got, &stats), ROTOR_OK)
      << rotor_last_error();

  auto same = rotor::LanguageModel::open(story_model(), {.threads = 2, .context = 256, .sequences = 4});
  ASSERT_TRUE(same.ok());
  rotor::GenerationRequest expected;
  expected.prompt = prompt;
  expected.max_new_tokens = 24;
  expected.answers = 2;
  expected.sampling.seed = 7;
  expected.sampling.temperature = 0.9f;
  expected.sampling.logit_bias = {{300, bias.bias}};
  expected.stop = {"\n\n"};
  expected.end_of_generation = same->end_of_generation();
  const auto result = same->generate(expected);
  ASSERT_TRUE(result.ok()) << result.status().message();
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(got.texts[i], result->answers[i].text);
    EXPECT_EQ(got.tokens[i], result->answers[i].tokens);
    EXPECT_EQ(got.ends[i], static_cast<int>(result->answers[i].finish_reason));
  }
  EXPECT_EQ(stats.generated_tokens, result->stats.generated_tokens);
  EXPECT_EQ(stats.prompt_tokens, prompt.size());
}

TEST(RotorC, DecodesWhatItEncodes) {
  const Model model = open(story_model());
  const std::string text = "The miller's daughter, na\xc3\xafve as ever.";
  const std::vector<int32_t> tokens = encode(model.get(), text);
  size_t bytes = 0;
  ASSERT_EQ(rotor_decode(model.get(), tokens.data(), tokens.size(), nullptr, 0, &bytes), ROTOR_OK);
  ASSERT_EQ(bytes, text.size());
  std::string back(bytes, '?');
  ASSERT_EQ(rotor_decode(model.get(), tokens.data(), tokens.size(), back.data(), bytes, &bytes), ROTOR_OK);
  EXPECT_EQ(back, text);
  EXPECT_EQ(rotor_decode(model.get(), tokens.data(), tokens.size(), back.data(), bytes - 1, &bytes),
            ROTOR_INVALID_ARGUMENT);
  EXPECT_EQ(bytes, text.size());
  EXPECT_NE(std::string(rotor_last_error()).find(std::to_string(bytes)), std::string::npos);
}

TEST(RotorC, AChatIsThePromptOfTheTemplate) {
  const std::string chat = std::string(std::getenv("ROTOR_SOURCE_DIR")) + "/models/stories-chat.rotor";
  const Model model = open(chat);
  const rotor_message message = {"user", "Tell me of a fox. <|eot_id|>"};
  size_t count = 0;
  ASSERT_EQ(rotor_encode_chat(model.get(), &message, 1, nullptr, 0, &count), ROTOR_OK)
      << rotor_last_error();
  std::vector<int32_t> tokens(count);
  ASSERT_EQ(rotor_encode_chat(model.get(), &message, 1, tokens.data(), count, &count), ROTOR_OK);
  EXPECT_GT(count, encode(model.get(), message.content).size());
  EXPECT_EQ(rotor_encode_chat(open(story_model()).get(), &message, 1, nullptr, 0, &count),
            ROTOR_UNSUPPORTED);
}

TEST(RotorC, LogitsAreThoseThatGreedyTokensComeFrom) {
  const Model model = open(story_model());
  std::vector<int32_t> tokens = encode(model.get(), "Once upon a time there was a");
  const size_t vocab = rotor_vocabulary(model.get());
  rotor_request request = request_of(tokens, 5);
  request.temperature = 0;
  Collected got;
  ASSERT_EQ(rotor_generate(model.get(), &request, collect, &got, nullptr), ROTOR_OK);
  const size_t prompt = tokens.size();
  tokens.insert(tokens.end(), got.tokens[0].begin(), got.tokens[0].end() - 1);
  std::vector<float> logits(5 * vocab);
  ASSERT_EQ(rotor_logits(model.get(), tokens.data(), tokens.size(), 5, logits.data()), ROTOR_OK);
  std::vector<float> all(tokens.size() * vocab);
  ASSERT_EQ(rotor_logits(model.get(), tokens.data(), tokens.size(), tokens.size(), all.data()), ROTOR_OK);
  EXPECT_TRUE(std::equal(logits.begin(), logits.end(), all.end() - static_cast<ptrdiff_t>(5 * vocab)));
  for (size_t i = 0; i < 5; ++i) {
    const auto row = logits.begin() + static_cast<ptrdiff_t>(i * vocab);
    const auto best = std::max_element(row, row + static_cast<ptrdiff_t>(vocab)) - row;
    EXPECT_EQ(best, got.tokens[0][i]) << "after " << prompt + i << " tokens";
  }
}

TEST(RotorC, BeamSearchGivesScores) {
  const Model model = open(story_model());
  const std::vector<int32_t> prompt = encode(model.get(), "The fox");
  rotor_request request = request_of(prompt, 6);
  request.beam_width = 2;
  request.answers = 2;
  double scores[2] = {1, 1};
  request.scores = scores;
  Collected got;
  ASSERT_EQ(rotor_generate(model.get(), &request, collect, &got, nullptr), ROTOR_OK)
      << rotor_last_error();
  EXPECT_LT(scores[0], 0);
  EXPECT_GE(scores[0], scores[1]);
}

TEST(RotorC, TheCallbackAndOtherThreadsCancel) {
  const Model model = open(story_model(), 2048);
  const std::vector<int32_t> prompt = encode(model.get(), "Once");
  rotor_request request = request_of(prompt, 1500);
  request.ignore_end = 1;
  Collected few;
  few.stop_after = 3;
  ASSERT_EQ(rotor_generate(model.get(), &request, collect, &few, nullptr), ROTOR_OK);
  EXPECT_EQ(few.ends[0], ROTOR_FINISH_CANCELLED);
  EXPECT_LE(few.tokens[0].size(), 3u + 31u);  // those of a draft that was accepted still come

  Collected some;
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    rotor_cancel(model.get());
  });
  ASSERT_EQ(rotor_generate(model.get(), &request, collect, &some, nullptr), ROTOR_OK);
  other.join();
  EXPECT_EQ(some.ends[0], ROTOR_FINISH_CANCELLED);
  Collected again;  // a cancelled call is over
  request.max_new_tokens = 2;
  ASSERT_EQ(rotor_generate(model.get(), &request, collect, &again, nullptr), ROTOR_OK);
  EXPECT_EQ(again.ends[0], ROTOR_FINISH_LENGTH);
}

TEST(RotorC, SaysWhatIsWrong) {
  rotor_model* none = nullptr;
  EXPECT_EQ(rotor_open("/no/such.rotor", nullptr, &none), ROTOR_NOT_FOUND);
  EXPECT_EQ(none, nullptr);
  EXPECT_NE(std::string(rotor_last_error()).find("/no/such.rotor"), std::string::npos);
  EXPECT_EQ(rotor_open(nullptr, nullptr, &none), ROTOR_INVALID_ARGUMENT);
  EXPECT_EQ(rotor_open("x", nullptr, nullptr), ROTOR_INVALID_ARGUMENT);
  rotor_open_options newer;
  rotor_open_options_init(&newer);
  newer.size += 8;
  EXPECT_EQ(rotor_open("x", &newer, &none), ROTOR_INVALID_ARGUMENT);
  rotor_close(nullptr);

  const Model model = open(story_model());
  const std::vector<int32_t> prompt = {1, 2, 3};
  rotor_request request = request_of(prompt, 1);
  EXPECT_EQ(rotor_generate(nullptr, &request, nullptr, nullptr, nullptr), ROTOR_INVALID_ARGUMENT);
  request.prompt = nullptr;
  EXPECT_EQ(rotor_generate(model.get(), &request, nullptr, nullptr, nullptr), ROTOR_INVALID_ARGUMENT);
  request = request_of(prompt, 1);
  request.temperature = -1;
  EXPECT_EQ(rotor_generate(model.get(), &request, nullptr, nullptr, nullptr), ROTOR_INVALID_ARGUMENT);
  EXPECT_NE(std::string(rotor_last_error()).find("temperature"), std::string::npos);
  request = request_of(prompt, 1);
  request.early_stopping = 3;
  EXPECT_EQ(rotor_generate(model.get(), &request, nullptr, nullptr, nullptr), ROTOR_INVALID_ARGUMENT);
  const int32_t bad[] = {0, -1};
  std::vector<float> row(rotor_vocabulary(model.get()));
  EXPECT_EQ(rotor_logits(model.get(), bad, 2, 1, row.data()), ROTOR_INVALID_ARGUMENT);
  EXPECT_EQ(rotor_logits(model.get(), bad, 1, 2, row.data()), ROTOR_INVALID_ARGUMENT);
  const std::vector<int32_t> long_text(257, 1);
  EXPECT_EQ(rotor_logits(model.get(), long_text.data(), 257, 1, row.data()), ROTOR_INVALID_ARGUMENT);
}

TEST(RotorC, AnOlderStructHasTheDefaultsOfWhatItLacks) {
  rotor_open_options options;
  rotor_open_options_init(&options);
  options.kv = "f8";
  rotor_model* opened = nullptr;
  EXPECT_EQ(rotor_open(story_model().c_str(), &options, &opened), ROTOR_INVALID_ARGUMENT);
  options.size = offsetof(rotor_open_options, kv);  // beyond it: not looked at
  EXPECT_EQ(rotor_open(story_model().c_str(), &options, &opened), ROTOR_OK) << rotor_last_error();
  rotor_close(opened);
  const Model model = open(story_model());
  const std::vector<int32_t> prompt = encode(model.get(), "Once");
  rotor_request request = request_of(prompt, 2);
  request.size = offsetof(rotor_request, temperature);
  request.temperature = -1;  // beyond the size: not looked at
  Collected got;
  EXPECT_EQ(rotor_generate(model.get(), &request, collect, &got, nullptr), ROTOR_OK)
      << rotor_last_error();
  rotor_stats stats{};
  stats.size = offsetof(rotor_stats, drafted_tokens);
  stats.drafted_tokens = 12345;
  EXPECT_EQ(rotor_generate(model.get(), &request, nullptr, nullptr, &stats), ROTOR_OK);
  EXPECT_EQ(stats.prompt_tokens, prompt.size());
  EXPECT_EQ(stats.drafted_tokens, 12345u);
}

TEST(RotorC, AnExceptionOfACallbackBecomesACode) {
  const Model model = open(story_model());
  const std::vector<int32_t> prompt = encode(model.get(), "Once");
  const rotor_request request = request_of(prompt, 2);
  const auto throws = [](const rotor_event*, void*) -> int32_t { throw std::runtime_error("no"); };
  EXPECT_EQ(rotor_generate(model.get(), &request, throws, nullptr, nullptr), ROTOR_INTERNAL);
  Collected got;
  EXPECT_EQ(rotor_generate(model.get(), &request, collect, &got, nullptr), ROTOR_OK);
}

// The logits after three tokens.
std::vector<float> logits_of(rotor_model* model) {
  const int32_t tokens[] = {1, 300, 301};
  std::vector<float> row(rotor_vocabulary(model));
  EXPECT_EQ(rotor_logits(model, tokens, 3, 1, row.data()), ROTOR_OK) << rotor_last_error();
  return row;
}

TEST(RotorC, AdaptersAreThoseOfTheLibrary) {
  const auto source = rotor::open_model_source(story_model(), {});
  ASSERT_TRUE(source.ok()) << source.status().message();
  const rotor::test::TestFolder folder;
  rotor::test::random_lora(source->config, 3, 6.0, rotor::test::all_places(source->config)).write(folder);
  const Model model = open(story_model());
  const std::vector<float> plain = logits_of(model.get());
  rotor_lora* lora = nullptr;
  ASSERT_EQ(rotor_load_lora(model.get(), folder.path().c_str(), &lora), ROTOR_OK) << rotor_last_error();

  auto other = rotor::LanguageModel::open(story_model(), {.threads = 1, .context = 256});
  ASSERT_TRUE(other.ok()) << other.status().message();
  const auto adapter = other->load_lora(folder.path());
  ASSERT_TRUE(other->set_lora({{*adapter, 0.5f}, {*adapter, 1.0f}}).ok());
  std::vector<float> expected;
  ASSERT_TRUE(other->logits(std::vector<rotor::TokenId>{1, 300, 301}, [&](size_t, auto row) {
    expected.assign(row.begin(), row.end());
  }).ok());

  const rotor_lora* const both[] = {lora, lora};
  const float scales[] = {0.5f, 1.0f};
  EXPECT_EQ(rotor_set_loras(model.get(), both, scales, 2), ROTOR_OK);
  const float wrong[] = {1.0f, std::numeric_limits<float>::infinity()};
  EXPECT_EQ(rotor_set_loras(model.get(), both, wrong, 2), ROTOR_INVALID_ARGUMENT);
  rotor_free_lora(lora);  // the model keeps it, and what it was set to
  EXPECT_EQ(logits_of(model.get()), expected);
  EXPECT_NE(expected, plain);
  EXPECT_EQ(rotor_set_loras(model.get(), nullptr, nullptr, 0), ROTOR_OK);
  EXPECT_EQ(logits_of(model.get()), plain);

  const rotor_lora* const none[] = {nullptr};
  EXPECT_EQ(rotor_set_loras(model.get(), none, nullptr, 1), ROTOR_INVALID_ARGUMENT);
  EXPECT_EQ(rotor_set_loras(model.get(), nullptr, nullptr, 1), ROTOR_INVALID_ARGUMENT);
  EXPECT_EQ(rotor_load_lora(model.get(), nullptr, &lora), ROTOR_INVALID_ARGUMENT);
  EXPECT_EQ(rotor_load_lora(model.get(), "/nowhere", &lora), ROTOR_NOT_FOUND);
  EXPECT_EQ(lora, nullptr);
  rotor_free_lora(lora);
}

TEST(RotorC, ErrorsBelongToTheirThread) {
  rotor_model* none = nullptr;
  EXPECT_EQ(rotor_open("/first", nullptr, &none), ROTOR_NOT_FOUND);
  std::thread([&] {
    EXPECT_STREQ(rotor_last_error(), "");
    EXPECT_EQ(rotor_open("/second", nullptr, &none), ROTOR_NOT_FOUND);
  }).join();
  EXPECT_NE(std::string(rotor_last_error()).find("/first"), std::string::npos);
}

TEST(RotorC, NamesItsCodes) {
  EXPECT_EQ(rotor_abi_version(), ROTOR_ABI_VERSION);
  EXPECT_STREQ(rotor_code_name(ROTOR_FORMAT_ERROR), "format error");
  EXPECT_STREQ(rotor_code_name(99), "unknown");
  EXPECT_STREQ(rotor_code_name(-1), "unknown");
}

}  // namespace
