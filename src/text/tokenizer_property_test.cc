// SPDX-License-Identifier: Apache-2.0
// What holds for all text: encoding is total and loses nothing, takes linear time, and needs little
// stack.
#include <gtest/gtest.h>
#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <functional>
#include <random>

#include "base/test_instrumented.h"
#include "text/tokenizer_fixtures.h"
#include "text/unicode.h"

namespace rotor {
namespace {

class EveryTokenizer : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    TokenizerSpec spec = fixture_spec(GetParam());
    spec.normalizers.clear();  // which lose, on purpose
    tokenizer_.emplace(make_tokenizer(std::move(spec)));
  }
  void expect_round_trip(std::string_view text, bool parse_special) {
    const auto ids = tokenizer_->encode(text, without_bos(parse_special));
    ASSERT_TRUE(ids.ok()) << ids.status().message();
    const auto decoded = tokenizer_->decode(*ids);
    ASSERT_TRUE(decoded.ok()) << decoded.status().message();
    ASSERT_EQ(*decoded, text) << printable(text, 200);
  }

  std::optional<Tokenizer> tokenizer_;
};

TEST_P(EveryTokenizer, AllTwoByteStrings) {
  for (uint32_t value = 0; value < 0x10000; ++value) {
    const char bytes[2] = {static_cast<char>(value >> 8), static_cast<char>(value)};
    ASSERT_NO_FATAL_FAILURE(expect_round_trip({bytes, 2}, true));
  }
}

TEST_P(EveryTokenizer, AllCodePoints) {
  std::string text;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) {
      continue;
    }
    text = "x ";
    append_utf8(c, text);
    ASSERT_NO_FATAL_FAILURE(expect_round_trip(text, false));
  }
}

TEST_P(EveryTokenizer, RandomBytesAndText) {
  const std::string pieces[] = {"<|eot_id|>", "<tool>", "'s",     " ",        "\n",
                                "12",         "an",     "\u4E00", "\u0301",   "<|",
                                "|>",         "!",      "B",      "\xF0\x9F", "\xFF"};
  std::mt19937 random(5);
  for (int round = 0; round < 40'000; ++round) {
    std::string text;
    for (uint32_t i = random() % 20; i > 0; --i) {
      if (random() % 3 == 0) {
        text += static_cast<char>(random());
      } else {
        text += pieces[random() % std::size(pieces)];
      }
    }
    ASSERT_NO_FATAL_FAILURE(expect_round_trip(text, round % 2 == 0));
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, EveryTokenizer,
                         testing::Values("llama3", "gpt2", "qwen2", "digits", "foreign"),
                         [](const auto& info) { return std::string(info.param); });

// Texts that have been slow or deep in one tokenizer or another.
struct Family {
  const char* name;
  std::function<std::string(size_t)> make;  // a text of about that many bytes
  bool at_full_size = false;                // also tried with 16 MiB
};

std::string repeat(std::string_view unit, size_t size) {
  std::string text;
  while (text.size() < size) {
    text += unit;
  }
  return text;
}

std::vector<Family> families() {
  const auto repeated = [](const char* name, std::string unit) {
    return Family{name, [unit](size_t size) { return repeat(unit, size); }};
  };
  const auto large = [](Family family) {
    family.at_full_size = true;
    return family;
  };
  return {large(repeated("letters", "a")),
          large(repeated("spaces", " ")),
          repeated("newlines", "\n"),
          repeated("digits", "1"),
          repeated("symbols", "!"),
          repeated("marks", "\u0301"),
          large(repeated("broken bytes", "\xFF")),
          repeated("apostrophes", "'"),
          repeated("special prefixes", "<|eot_id|"),
          repeated("letter and space", "a "),
          Family{"line break and spaces",
                 [](size_t size) { return std::string("\n").append(repeat(" \t", size)); }},
          large({"random letters", [](size_t size) {
                   std::mt19937 random(1);
                   std::string text(size, ' ');
                   std::generate(text.begin(), text.end(),
                                 [&] { return static_cast<char>('a' + random() % 26); });
                   return text;
                 }})};
}

double thread_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// The least processor time of a few tries.
double encode_seconds(const Tokenizer& tokenizer, const std::string& text) {
  double least = 1e9;
  for (int i = 0; i < 5; ++i) {
    const double start = thread_seconds();
    const auto ids = tokenizer.encode(text, without_bos(true));
    least = std::min(least, thread_seconds() - start);
    EXPECT_TRUE(ids.ok()) << ids.status().message();
  }
  return least;
}

// Eight times the text takes eight times the time when it is linear (BpeMerger's test counts that
// exactly), up to twelve where it outgrows a cache, and 64 when it is quadratic.
TEST(Linear, TimeOfEveryFamily) {
  for (const char* name : {"llama3", "gpt2", "qwen2"}) {
    const Tokenizer tokenizer = fixture_tokenizer(name);
    for (const Family& family : families()) {
      const double small = encode_seconds(tokenizer, family.make(size_t{1} << 14));
      const double large = encode_seconds(tokenizer, family.make(size_t{1} << 17));
      EXPECT_LE(large / small, 20) << name << ": " << family.name;
    }
  }
}

struct Job {
  const Tokenizer* tokenizer;
  std::string text;
  bool same = false;
};

void* run_job(void* argument) {
  Job& job = *static_cast<Job*>(argument);
  const auto ids = job.tokenizer->encode(job.text, without_bos(true));
  job.same = ids.ok() && *job.tokenizer->decode(*ids) == job.text;
  return nullptr;
}

TEST(Linear, SixteenMebibytesOnASmallStack) {
  const size_t size = size_t{1} << (test::kIsInstrumented ? 21 : 24);
  const Tokenizer tokenizer = fixture_tokenizer("llama3");
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, 128 * 1024), 0);
  for (const Family& family : families()) {
    if (!family.at_full_size) {
      continue;
    }
    Job job{&tokenizer, family.make(size)};
    pthread_t thread;
    ASSERT_EQ(pthread_create(&thread, &attributes, run_job, &job), 0);
    pthread_join(thread, nullptr);
    EXPECT_TRUE(job.same) << family.name;
  }
  pthread_attr_destroy(&attributes);
}

}  // namespace
}  // namespace rotor
