// SPDX-License-Identifier: Apache-2.0
// One hash of the logits of a model, however they are computed: instruction-set level, layout of the
// weights, head in memory or in the file, threads, size of the prefill chunks, other sequences in the
// batch, with adapters or without, caches kept, forked, truncated and computed anew. The hashes are
// fixed, so a compiler or machine that computes something else fails too.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <span>

#include "base/sha256.h"
#include "device/cpu/cpu_executor.h"
#include "identity_models.h"
#include "model/loader.h"
#include "model/test_lora.h"

namespace rotor {
namespace {

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

// Feeds sequences to an executor and hashes the logits of one of them.
class Runner {
 public:
  Runner(Executor& executor, const Way& way, size_t vocab)
      : executor_(executor), way_(way),
        left_{KvSequence(&executor.kv_pool()), random_tokens(2 * kTokens, vocab, 21)},
        right_{KvSequence(&executor.kv_pool()), random_tokens(2 * kTokens, vocab, 22)} {
    left_.sequence.set_lora(nullptr);
  }

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

// Adapters of different rank and type, one of all matrices, one of some.
std::shared_ptr<const LoraSet> identity_adapters(const ModelConfig& model) {
  const auto all =
      test::random_lora(model, 5, 4, test::all_places(model), FloatType::kF32, 30).open(model);
  const auto some = test::random_lora(model, 18, 9, {{0, LinearRole::kV}, {0, LinearRole::kDown}},
                                      FloatType::kBf16, 31).open(model);
  return std::make_shared<const LoraSet>(LoraSet{{*all, 1.0f}, {*some, 0.3f}});
}

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
// which of them meet. Of few, one a level: all are there in as many models as there are companies.
std::vector<Way> some_ways(size_t turn, bool few) {
  constexpr std::array<size_t, 3> kThreads = {1, 2, 5};
  std::vector<Way> ways;
  for_each_level([&](IsaLevel level) {
    for (size_t n = 0; n < kCompanies; ++n) {
      if (few && n != (turn + static_cast<size_t>(level)) % kCompanies) {
        continue;
      }
      ways.push_back({level, static_cast<TernaryFormat>((n + turn) % kTernaryFormats),
                      kThreads[(n + turn) % 3], kChunks[n % 4],
                      static_cast<Company>((n + turn / 3) % kCompanies)});
    }
  });
  return ways;
}

// Every level with 1 to 8 threads and, in two models whose turns follow each other, every layout; `turn` changes
// with what chunks and company.
std::vector<Way> many_ways(size_t turn) {
  std::vector<Way> ways;
  for_each_level([&](IsaLevel level) {
    for (size_t threads = 1; threads <= 8; ++threads) {
      for (size_t format = (threads + turn) % 2; format < kTernaryFormats; format += 2) {
        const size_t n = ways.size() + turn;
        ways.push_back({level, static_cast<TernaryFormat>(format), threads, kChunks[(n / 4) % 4],
                        static_cast<Company>(n % kCompanies)});
      }
    }
  });
  return ways;
}

std::vector<Way> all_ways(size_t turn) {
  const Extent extent = identity_extent();
  return extent == Extent::kMany ? many_ways(turn) : some_ways(turn, extent == Extent::kFew);
}

class Identity : public testing::TestWithParam<IdentityModel> {
 protected:
  void SetUp() override {
    ThreadPool pool(1);
    for (size_t i = 0; i < (i2_alone() ? 1 : kTernaryFormats); ++i) {
      LoadOptions load;
      load.format = static_cast<TernaryFormat>(i);
      load.head = i == 0 ? HeadMode::kFull : HeadMode::kTwoStage;  // rows in memory or in the file
      auto model = load_model(test_source(GetParam().config, GetParam().options), load, pool);
      ASSERT_TRUE(model.ok()) << model.status().message();
      models_[i] = *std::move(model);
    }
    tokens_ = random_tokens(kTokens, GetParam().config.vocab, 20);
  }

  // Whether there is no layout but i2.
  static bool i2_alone() {
    return GetParam().options.scale == TernaryScale::Granularity::kGroup ||
           GetParam().config.float_activations;
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
    if (GetParam().adapted) {
      (*executor)->kv_pool().set_lora(identity_adapters(GetParam().config));
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
    way.format = i2_alone() ? TernaryFormat::kI2 : way.format;
    EXPECT_EQ(run(way), GetParam().sha256) << way.text();
  }
  EXPECT_EQ(levels_run_, cpu_features().supported) << "a level of this CPU was not run";
  std::printf("%s: %s in %zu ways\n", GetParam().name, GetParam().sha256, ways.size());
}

// Where activations stay floats, it is the same whether weights are packed as trits or written out.
TEST_P(Identity, TritsAndTheFloatsTheyStandForGiveOneHash) {
  if (!GetParam().config.float_activations) {
    return;
  }
  ModelSource source = test_source(GetParam().config, GetParam().options);
  for (LayerSource& layer : source.layers) {
    for (LinearSource& linear : layer.linear) {
      write_out(linear);
    }
  }
  ThreadPool pool(1);
  auto model = load_model(std::move(source), {}, pool);
  ASSERT_TRUE(model.ok()) << model.status().message();
  models_[0] = *std::move(model);
  for_each_level([&](IsaLevel level) {
    EXPECT_EQ(run({level, TernaryFormat::kI2, 2, 7}), GetParam().sha256) << isa_name(level);
  });
}

// Some of the models, with adapters.
std::vector<IdentityModel> adapted_models() {
  std::vector<IdentityModel> adapted;
  const auto add = [&](std::string_view like, const char* name, const char* sha256) {
    for (IdentityModel model : identity_models()) {
      if (model.name == like) {
        model.name = name;
        model.sha256 = sha256;
        model.adapted = true;
        adapted.push_back(model);
      }
    }
  };
  add("narrow_f16", "adapters_f16",
      "3a442564b9e65cb7803f7784be9f690dca6fffb4935a3b394e06bd1d625da39e");
  add("windows_of_some_layers_f16", "adapters_beside_norms_of_matrices_f16",
      "e34f0c7b40eeee4549a9fff71943094b27dc0bb8a38593dca6d1fb528b428cab");
  return adapted;
}

INSTANTIATE_TEST_SUITE_P(Adapted, Identity, testing::ValuesIn(adapted_models()),
                         [](const auto& info) { return info.param.name; });
INSTANTIATE_TEST_SUITE_P(Models, Identity, testing::ValuesIn(identity_models()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace rotor
