// SPDX-License-Identifier: Apache-2.0
// One hash of the logits of a model, however they are computed: instruction-set level, layout of the
// weights, head in memory or in the file, threads, size of the prefill chunks, other sequences in the
// batch, caches kept, forked, truncated and computed anew. The hashes are fixed, so a compiler or
// machine that computes something else fails too. A head in two stages gives the same logits and misses
// none, and a draw from it falls on the same token.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <ostream>
#include <span>
#include <string_view>

#include "base/sha256.h"
#include "device/cpu/cpu_executor.h"
#include "engine/sampler.h"
#include "model/loader.h"
#include "model/test_model.h"

namespace rotor {
namespace {

using Tokens = std::vector<TokenId>;

constexpr size_t kTokens = 301;  // crosses the page border at 256

constexpr size_t kRecomputed = 75;    // tokens after which a cache is thrown away
enum class Company { kAlone, kBesideOthers, kAfterFork, kAfterTruncate, kWithoutCache };
constexpr size_t kCompanies = 5;

// One way to compute the logits of a sequence.
struct Way {
  IsaLevel level;
  TernaryFormat format = TernaryFormat::kI2;
  size_t threads = 1;
  size_t chunk = 128;
  Company company = Company::kAlone;

  std::string text() const {
    constexpr std::array<const char*, kCompanies> kCompany = {
        "alone", "beside others", "after a fork", "after truncating", "without what was cached"};
    return std::string(isa_name(level)) + ", " + std::string(format_info(format).name) + ", " +
           std::to_string(threads) + " threads, chunks of " + std::to_string(chunk) + ", " +
           kCompany[static_cast<size_t>(company)];
  }
};

Tokens random_tokens(size_t count, size_t vocab, uint32_t seed) {
  std::mt19937 random(seed);
  Tokens tokens(count);
  for (TokenId& token : tokens) {
    token = static_cast<TokenId>(random() % vocab);
  }
  return tokens;
}

// Feeds sequences to an executor and hashes the logits of one of them.
class Runner {
 public:
  Runner(Executor& executor, const Way& way, size_t vocab)
      : executor_(executor), way_(way),
        left_{KvSequence(&executor.kv_pool()), random_tokens(2 * kTokens, vocab, 21)},
        right_{KvSequence(&executor.kv_pool()), random_tokens(2 * kTokens, vocab, 22)} {}

  std::string hash(const Tokens& tokens) {
    KvSequence sequence(&executor_.kv_pool());
    const std::span<const TokenId> all(tokens);
    const size_t half = 133;  // in the middle of a page
    if (way_.company == Company::kAfterFork) {
      feed(sequence, all.first(half), true);
      KvSequence copy = sequence.fork();
      feed(sequence, std::span<const TokenId>(left_.tokens).first(40), false);
      feed(copy, all.subspan(half), true);
    } else if (way_.company == Company::kAfterTruncate) {
      feed(sequence, all.first(half), true);
      feed(sequence, std::span<const TokenId>(left_.tokens).first(140), false);
      sequence.truncate(half);
      feed(sequence, all.subspan(half), true);
    } else if (way_.company == Company::kWithoutCache) {
      for (size_t begin = 0; begin < all.size(); begin += kRecomputed) {
        KvSequence anew(&executor_.kv_pool());
        feed(anew, all.first(begin), false);
        feed(anew, all.subspan(begin, std::min(kRecomputed, all.size() - begin)), true);
      }
    } else {
      feed(sequence, all, true);
    }
    return hash_.hex();
  }

 private:
  struct Other {
    KvSequence sequence;
    Tokens tokens;
  };

  void feed(KvSequence& sequence, std::span<const TokenId> tokens, bool hashed) {
    for (size_t begin = 0; begin < tokens.size(); begin += way_.chunk) {
      const auto chunk = tokens.subspan(begin, std::min(way_.chunk, tokens.size() - begin));
      Batch batch;
      add_other(left_, batch);
      const size_t first = sequence.length();
      ASSERT_TRUE(sequence.extend(chunk.size()).ok());
      for (size_t i = 0; i < chunk.size(); ++i) {
        batch.rows.push_back({&sequence, first + i, chunk[i], hashed});
      }
      add_other(right_, batch);
      const Status status = executor_.forward(batch, nullptr);
      ASSERT_TRUE(status.ok()) << status.message();
      const size_t skip = way_.company == Company::kBesideOthers ? 1 : 0;
      for (size_t i = 0; hashed && i < chunk.size(); ++i) {
        hash_.update(std::as_bytes(executor_.logits(skip + i).all));
      }
    }
  }

  void add_other(Other& other, Batch& batch) {
    if (way_.company == Company::kBesideOthers) {
      const size_t position = other.sequence.length();
      ASSERT_TRUE(other.sequence.extend(1).ok());
      batch.rows.push_back({&other.sequence, position, other.tokens[position], true});
    }
  }

  Executor& executor_;
  const Way& way_;
  Other left_;
  Other right_;
  Sha256 hash_;
};

constexpr std::array<size_t, 4> kChunks = {128, 1, 7, 32};

template <typename Add>
void for_each_level(const Add& add) {
  for (int i = 0; i <= static_cast<int>(IsaLevel::kI8mm); ++i) {
    if (cpu_features().supports(static_cast<IsaLevel>(i))) {
      add(static_cast<IsaLevel>(i));
    }
  }
}

// Every level with every chunk size, layout and company, and some numbers of threads; `turn` changes
// which of them meet.
std::vector<Way> some_ways(size_t turn) {
  constexpr std::array<size_t, 3> kThreads = {1, 2, 5};
  std::vector<Way> ways;
  for_each_level([&](IsaLevel level) {
    for (size_t n = 0; n < kCompanies; ++n) {
      ways.push_back({level, static_cast<TernaryFormat>((n + turn) % kTernaryFormats),
                      kThreads[(n + turn) % 3], kChunks[n % 4],
                      static_cast<Company>((n + turn / 3) % kCompanies)});
    }
  });
  return ways;
}

// Every level with every layout and 1 to 8 threads; `turn` changes with what chunks and company.
std::vector<Way> many_ways(size_t turn) {
  std::vector<Way> ways;
  for_each_level([&](IsaLevel level) {
    for (size_t threads = 1; threads <= 8; ++threads) {
      for (size_t format = 0; format < kTernaryFormats; ++format) {
        const size_t n = ways.size() + turn;
        ways.push_back({level, static_cast<TernaryFormat>(format), threads, kChunks[(n / 4) % 4],
                        static_cast<Company>(n % kCompanies)});
      }
    }
  });
  return ways;
}

// ROTOR_IDENTITY=long asks for many.
std::vector<Way> all_ways(size_t turn) {
  const char* asked = std::getenv("ROTOR_IDENTITY");
  return asked != nullptr && std::string_view(asked) == "long" ? many_ways(turn) : some_ways(turn);
}

struct Case {
  const char* name;
  size_t turn;  // of all_ways()
  ModelConfig config;
  TestModelOptions options;
  KvType kv;
  const char* sha256;  // of the logits of all positions, (kTokens, vocab) binary32
};

ModelConfig shape(size_t hidden, size_t ffn, size_t heads, size_t kv_heads, size_t head_dim) {
  ModelConfig c = test_config();
  c.hidden = hidden;
  c.ffn = ffn;
  c.heads = heads;
  c.kv_heads = kv_heads;
  c.head_dim = head_dim;
  return c;
}

std::vector<Case> cases() {
  using Scale = TernaryScale::Granularity;
  const ModelConfig narrow = shape(40, 56, 2, 2, 16);
  const ModelConfig middle = shape(128, 200, 4, 2, 64);
  ModelConfig four = shape(72, 90, 4, 1, 128);
  four.layers = 1;
  four.attention_window = 100;
  ModelConfig five = shape(160, 300, 5, 1, 128);
  five.tied_head = false;
  const TestModelOptions f32{FloatType::kF32, Scale::kTensor, 1};
  const TestModelOptions bf16{FloatType::kBf16, Scale::kRow, 2};
  const TestModelOptions f16{FloatType::kF16, Scale::kTensor, 3};
  const TestModelOptions q8{FloatType::kQ8_0, Scale::kTensor, 4};
  const TestModelOptions groups{FloatType::kBf16, Scale::kGroup, 5, {128, GroupScaleType::kF16}};
  const TestModelOptions wide{FloatType::kBf16, Scale::kGroup, 6, {256, GroupScaleType::kF32}};
  return {
      {"narrow_f16", 0, narrow, f32, KvType::kF16,
       "2340e6d875d96b624b8f21d4fd1317e05203103e937d4ea1f77c04c838e01e8b"},
      {"groups_of_two_f16", 1, middle, bf16, KvType::kF16,
       "d3f0304e6f097f80c5653a0e81fd1d8f7cb7b2109e0da1acbda19e615b6209ab"},
      {"groups_of_two_f32", 2, middle, bf16, KvType::kF32,
       "4941af0edb744bb09ee88c0e51c0e951f892e09288c005aca5e4848880226146"},
      {"groups_of_four_window_f16", 3, four, f16, KvType::kF16,
       "e539ce278f0e70d9c32db83833c9f431b38db9b35e6805c01d2ede7b27aa4912"},
      {"groups_of_four_window_int8", 2, four, f16, KvType::kInt8,
       "a510f5a35a5a63f280b128d19bdde9a831d34d69f34cf69a3de2432887aea373"},
      {"groups_of_two_bf16", 3, middle, bf16, KvType::kBf16,
       "b119e471f28b4c6b4f72849cfe23c3a3957c80011fced8c64c3565f6524cde1b"},
      {"groups_of_five_f16", 4, five, q8, KvType::kF16,
       "a51be2a833237d6e65283476196db647a482d5cc1047e2d41c60566d65ae0acd"},
      {"groups_of_five_f32", 5, five, q8, KvType::kF32,
       "c94d91bcbf0fa060e5906b67c6cc5304019ba2b2758438fafd731d312dc445e2"},
      {"scales_of_groups_f16", 6, five, groups, KvType::kF16,
       "2367cb5fffefd1252a376a1aa6db721fe3d2bcc56f781e2be19ac609af70b51a"},
      {"scales_of_wide_groups_f32", 7, five, wide, KvType::kF32,
       "4cd06f309836e7845cef5c3e4189132f95f3caf2506c9e58a7fefcdfacbc112c"},
  };
}

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class Identity : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    ThreadPool pool(1);
    for (size_t i = 0; i < (grouped() ? 1 : kTernaryFormats); ++i) {
      LoadOptions load;
      load.format = static_cast<TernaryFormat>(i);
      load.head = i == 0 ? HeadMode::kFull : HeadMode::kTwoStage;  // rows in memory or in the file
      auto model = load_model(test_source(GetParam().config, GetParam().options), load, pool);
      ASSERT_TRUE(model.ok()) << model.status().message();
      models_[i] = *std::move(model);
    }
    tokens_ = random_tokens(kTokens, GetParam().config.vocab, 20);
  }

  // Then there is no layout but i2.
  static bool grouped() {
    return GetParam().options.scale == TernaryScale::Granularity::kGroup;
  }

  std::string run(const Way& way) {
    CpuExecutorOptions options;
    options.threads = way.threads;
    options.max_batch = way.chunk + 2;
    options.kv_sequences = 3;
    options.kv_type = GetParam().kv;
    options.isa = way.level;
    auto executor = make_cpu_executor(models_[static_cast<size_t>(way.format)], options);
    if (!executor.ok()) {
      return executor.status().message();
    }
    levels_run_ |= 1u << static_cast<unsigned>(kernel_table(way.level).level);
    return Runner(**executor, way, GetParam().config.vocab).hash(tokens_);
  }

  std::shared_ptr<const Model> models_[kTernaryFormats];
  Tokens tokens_;
  uint32_t levels_run_ = 0;
};

TEST_P(Identity, OneHashHoweverItIsComputed) {
  std::vector<Way> ways = all_ways(GetParam().turn);
  for (Way& way : ways) {
    way.format = grouped() ? TernaryFormat::kI2 : way.format;
    EXPECT_EQ(run(way), GetParam().sha256) << way.text();
  }
  EXPECT_EQ(levels_run_, cpu_features().supported) << "a level of this CPU was not run";
  std::printf("%s: %s in %zu ways\n", GetParam().name, GetParam().sha256, ways.size());
}

// The logits of every position, all or those of a query.
std::vector<std::vector<TokenLogit>> logits_of(Executor& executor, const Tokens& tokens, size_t chunk,
                                               const TopQuery* query) {
  std::vector<std::vector<TokenLogit>> logits;
  KvSequence sequence(&executor.kv_pool());
  for (size_t begin = 0; begin < tokens.size(); begin += chunk) {
    const size_t end = std::min(tokens.size(), begin + chunk);
    EXPECT_TRUE(sequence.extend(end - begin).ok());
    Batch batch;
    for (size_t i = begin; i < end; ++i) {
      batch.rows.push_back({&sequence, i, tokens[i], true, i % 5 == 4 ? nullptr : query});
    }
    const Status status = executor.forward(batch, nullptr);
    EXPECT_TRUE(status.ok()) << status.message();
    for (size_t i = 0; i < end - begin; ++i) {
      const RowLogits row = executor.logits(i);
      logits.emplace_back(row.top.begin(), row.top.end());
      for (size_t token = 0; token < row.all.size(); ++token) {
        logits.back().push_back({row.all[token], static_cast<TokenId>(token)});
      }
    }
  }
  return logits;
}

// Where a head in two stages gives a logit, it has the same bits, and no likelier token is missing.
TEST_P(Identity, AHeadInTwoStagesGivesTheSameLogits) {
  ThreadPool pool(1);
  LoadOptions load;
  load.head = HeadMode::kTwoStage;
  const auto model = load_model(test_source(GetParam().config, GetParam().options), load, pool);
  ASSERT_TRUE(model.ok()) << model.status().message();
  CpuExecutorOptions options;
  options.kv_type = GetParam().kv;
  const auto full = logits_of(**make_cpu_executor(models_[0], options), tokens_, 100, nullptr);
  for (size_t level = 0; level < 32; ++level) {
    if ((cpu_features().supported >> level & 1u) == 0) {
      continue;
    }
    options.isa = static_cast<IsaLevel>(level);
    for (const size_t threads : {1, 2, 3}) {
      for (const size_t chunk : {1, 2, 100}) {
        options.threads = threads;
        const auto executor = *make_cpu_executor(*model, options);
        const TopQuery query = {1 + chunk % 7, {5, 96}};
        const auto few = logits_of(*executor, tokens_, chunk, &query);
        EXPECT_GT(executor->head_counts().rows, executor->head_counts().unanswered);
        for (size_t i = 0; i < tokens_.size(); ++i) {
          for (const TokenLogit& entry : few[i]) {
            const TokenLogit& same = full[i][static_cast<size_t>(entry.token)];
            ASSERT_EQ(entry.logit, same.logit) << "level " << level << ", position " << i;
          }
          const auto top = [&](std::vector<TokenLogit> entries) {
            std::sort(entries.begin(), entries.end(), more_likely);
            entries.resize(query.count);
            return entries;
          };
          const auto expected = top(full[i]);
          const auto got = top(few[i]);
          for (size_t k = 0; k < query.count; ++k) {
            ASSERT_EQ(got[k].token, expected[k].token) << "level " << level << ", position " << i;
          }
        }
      }
    }
  }
}

// The tokens drawn after every prefix of `tokens`, as of three answers in turn.
Tokens draws_of(Executor& executor, const Tokens& tokens, size_t chunk, const SamplingParams& params,
                size_t vocab, bool ask) {
  Sampler sampler = *Sampler::create(params, vocab);
  Tokens drawn;
  KvSequence sequence(&executor.kv_pool());
  for (size_t begin = 0; begin < tokens.size(); begin += chunk) {
    const size_t end = std::min(tokens.size(), begin + chunk);
    EXPECT_TRUE(sequence.extend(end - begin).ok());
    std::vector<TopQuery> queries(end - begin);
    Batch batch;
    const auto before = [&](size_t i) { return std::span<const TokenId>(tokens).first(i + 1); };
    for (size_t i = begin; i < end; ++i) {
      TopQuery& query = queries[i - begin];
      EXPECT_TRUE(sampler.query(before(i), static_cast<uint32_t>(i % 3), query));
      batch.rows.push_back({&sequence, i, tokens[i], true, ask ? &query : nullptr});
    }
    const Status status = executor.forward(batch, nullptr);
    EXPECT_TRUE(status.ok()) << status.message();
    for (size_t i = begin; i < end; ++i) {
      const auto token =
          sampler.draw(executor.logits(i - begin), before(i), static_cast<uint32_t>(i % 3));
      EXPECT_TRUE(token.ok()) << token.status().message();
      drawn.push_back(token.ok() ? *token : kNoToken);
    }
  }
  return drawn;
}

// A draw by temperature alone falls on the same token whether all logits are computed or those that
// the bounds and the noise leave in question.
TEST_P(Identity, ADrawFromAHeadInTwoStagesIsTheSame) {
  ThreadPool pool(1);
  LoadOptions load;
  load.head = HeadMode::kTwoStage;
  const auto model = load_model(test_source(GetParam().config, GetParam().options), load, pool);
  ASSERT_TRUE(model.ok()) << model.status().message();
  const size_t vocab = GetParam().config.vocab;
  CpuExecutorOptions options;
  options.kv_type = GetParam().kv;
  const auto full = *make_cpu_executor(models_[0], options);
  for (const float temperature : {1e-3f, 0.3f, 1.0f, 3.0f}) {
    SamplingParams params;
    params.top_k = 0;
    params.top_p = 1;
    params.min_p = 0;
    params.temperature = temperature;
    params.seed = static_cast<uint64_t>(temperature * 1000);
    if (temperature > 0.5f) {
      params.repeat_last_n = 20;
      params.repeat_penalty = 1.3f;
      params.logit_bias = {{5, 2.0f}, {96, -INFINITY}};
    }
    const Tokens expected = draws_of(*full, tokens_, 100, params, vocab, false);
    for (const size_t chunk : {1, 7, 100}) {
      options.threads = chunk == 1 ? 1 : chunk == 7 ? 3 : 2;
      const auto executor = *make_cpu_executor(*model, options);
      EXPECT_EQ(draws_of(*executor, tokens_, chunk, params, vocab, true), expected)
          << "temperature " << temperature << ", chunks of " << chunk;
      EXPECT_EQ(executor->head_counts().unanswered, 0u);
      EXPECT_EQ(executor->head_counts().rows, tokens_.size());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Identity, testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace rotor
