// SPDX-License-Identifier: Apache-2.0
#include "model/kv_cache.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "model/test_model.h"

namespace rotor {
namespace {

KvPool make_pool(size_t pages, KvType type = KvType::kF32) {
  return *KvPool::create(test_config(), type, pages);
}

void mark(KvPool& pool, const KvSequence& sequence, size_t position, float value) {
  const size_t at = position % kPagePositions * test_config().head_dim;
  std::memcpy(pool.keys(sequence.page_of(position), 0, 0) + at * sizeof(float), &value,
              sizeof(value));
}

float marked(KvPool& pool, const KvSequence& sequence, size_t position) {
  const size_t at = position % kPagePositions * test_config().head_dim;
  float value = 0.0f;
  std::memcpy(&value, pool.keys(sequence.page_of(position), 0, 0) + at * sizeof(float),
              sizeof(value));
  return value;
}

TEST(KvPool, PlacesOfAPageDoNotOverlap) {
  const ModelConfig c = test_config();
  for (const KvType type : {KvType::kF16, KvType::kBf16, KvType::kF32, KvType::kInt8}) {
    KvPool pool = make_pool(3, type);
    const size_t head = kPagePositions * kv_vector_bytes(type, c.head_dim);
    EXPECT_EQ(pool.page_bytes(), c.layers * 2 * c.kv_heads * head);
    std::vector<const std::byte*> places;
    for (size_t page = 0; page < 3; ++page) {
      for (size_t layer = 0; layer < c.layers; ++layer) {
        for (size_t h = 0; h < c.kv_heads; ++h) {
          places.push_back(pool.keys(page, layer, h));
          places.push_back(pool.values(page, layer, h));
        }
      }
    }
    std::sort(places.begin(), places.end());
    for (size_t i = 0; i < places.size(); ++i) {
      EXPECT_EQ(places[i], places[0] + i * head);
    }
  }
}

TEST(KvPool, ScalesFollowTheIntegersOfAHead) {
  const ModelConfig c = test_config();
  KvPool pool = make_pool(1, KvType::kInt8);
  std::byte* const keys = pool.keys(0, 0, 1);
  float* const scales = pool.scales(keys);
  EXPECT_EQ(reinterpret_cast<std::byte*>(scales), keys + kPagePositions * c.head_dim);
  EXPECT_EQ(reinterpret_cast<std::byte*>(scales + kPagePositions), pool.values(0, 0, 0));
}

TEST(KvPool, TypesByName) {
  EXPECT_EQ(parse_kv_type("f16"), KvType::kF16);
  EXPECT_EQ(parse_kv_type("bf16"), KvType::kBf16);
  EXPECT_EQ(parse_kv_type("f32"), KvType::kF32);
  EXPECT_EQ(parse_kv_type("int8"), KvType::kInt8);
  EXPECT_EQ(parse_kv_type("q8_0"), std::nullopt);
  EXPECT_EQ(kv_vector_bytes(KvType::kF16, 128), 256u);
  EXPECT_EQ(kv_vector_bytes(KvType::kInt8, 128), 132u);
}

TEST(KvPool, ASizeThatNoMachineHasIsAnError) {
  const auto pool = KvPool::create(test_config(), KvType::kF16, SIZE_MAX / 2);
  ASSERT_FALSE(pool.ok());
  EXPECT_EQ(pool.status().code(), Code::kOutOfMemory);
}

TEST(KvSequence, ExtendTakesPagesWhenABorderIsCrossed) {
  KvPool pool = make_pool(4);
  KvSequence sequence(&pool);
  ASSERT_TRUE(sequence.extend(0).ok());
  EXPECT_EQ(pool.free_pages(), 4u);
  ASSERT_TRUE(sequence.extend(1).ok());
  EXPECT_EQ(pool.free_pages(), 3u);
  ASSERT_TRUE(sequence.extend(kPagePositions - 1).ok());
  EXPECT_EQ(pool.free_pages(), 3u);
  ASSERT_TRUE(sequence.extend(1).ok());
  EXPECT_EQ(pool.free_pages(), 2u);
  EXPECT_EQ(sequence.length(), kPagePositions + 1);
  EXPECT_NE(sequence.page_of(0), sequence.page_of(kPagePositions));
}

TEST(KvSequence, TruncateReturnsWholePagesAndKeepsTheRest) {
  KvPool pool = make_pool(4);
  KvSequence sequence(&pool);
  ASSERT_TRUE(sequence.extend(3 * kPagePositions).ok());
  mark(pool, sequence, 5, 7.0f);
  sequence.truncate(kPagePositions + 1);
  EXPECT_EQ(pool.free_pages(), 2u);
  sequence.truncate(kPagePositions);
  EXPECT_EQ(pool.free_pages(), 3u);
  sequence.truncate(10 * kPagePositions);  // longer than it is: nothing happens
  EXPECT_EQ(sequence.length(), kPagePositions);
  EXPECT_EQ(marked(pool, sequence, 5), 7.0f);
  sequence.truncate(0);
  EXPECT_EQ(pool.free_pages(), 4u);
}

TEST(KvSequence, AForkSharesPagesUntilOneOfThemWrites) {
  KvPool pool = make_pool(6);
  KvSequence parent(&pool);
  ASSERT_TRUE(parent.extend(kPagePositions + 10).ok());
  mark(pool, parent, 3, 1.0f);
  mark(pool, parent, kPagePositions + 3, 2.0f);
  KvSequence child = parent.fork();
  EXPECT_EQ(pool.free_pages(), 4u);
  EXPECT_EQ(child.length(), parent.length());

  ASSERT_TRUE(child.extend(1).ok());  // copies the last page only
  EXPECT_EQ(pool.free_pages(), 3u);
  EXPECT_EQ(child.page_of(0), parent.page_of(0));
  EXPECT_NE(child.page_of(kPagePositions), parent.page_of(kPagePositions));
  EXPECT_EQ(marked(pool, child, kPagePositions + 3), 2.0f);
  mark(pool, child, kPagePositions + 3, 9.0f);
  EXPECT_EQ(marked(pool, parent, kPagePositions + 3), 2.0f);

  ASSERT_TRUE(parent.extend(1).ok());  // the page is its own again: nothing to copy
  EXPECT_EQ(pool.free_pages(), 3u);
}

TEST(KvSequence, AForkAtAPageBorderCopiesNothing) {
  KvPool pool = make_pool(4);
  KvSequence parent(&pool);
  ASSERT_TRUE(parent.extend(kPagePositions).ok());
  KvSequence child = parent.fork();
  ASSERT_TRUE(child.extend(1).ok());
  EXPECT_EQ(pool.free_pages(), 2u);
  EXPECT_EQ(child.page_of(0), parent.page_of(0));
}

TEST(KvSequence, ATruncatedForkCopiesThePageItWritesInto) {
  KvPool pool = make_pool(4);
  KvSequence parent(&pool);
  ASSERT_TRUE(parent.extend(20).ok());
  mark(pool, parent, 15, 3.0f);
  KvSequence child = parent.fork();
  child.truncate(10);
  ASSERT_TRUE(child.extend(10).ok());
  mark(pool, child, 15, 4.0f);
  EXPECT_EQ(marked(pool, parent, 15), 3.0f);
}

TEST(KvSequence, OutOfPagesChangesNothing) {
  KvPool pool = make_pool(2);
  KvSequence parent(&pool);
  ASSERT_TRUE(parent.extend(kPagePositions + 10).ok());
  KvSequence child = parent.fork();
  const size_t page = child.page_of(kPagePositions);
  const Status copy = child.extend(1);  // needs a page for the copy
  EXPECT_EQ(copy.code(), Code::kOutOfPages);
  EXPECT_NE(copy.message().find("1 pages"), std::string::npos) << copy.message();
  EXPECT_EQ(child.length(), kPagePositions + 10);
  EXPECT_EQ(child.page_of(kPagePositions), page);
  child.truncate(0);
  EXPECT_EQ(parent.extend(10 * kPagePositions).code(), Code::kOutOfPages);
  EXPECT_EQ(parent.length(), kPagePositions + 10);
  EXPECT_TRUE(parent.extend(kPagePositions - 10).ok());
}

TEST(KvSequence, MovingTakesThePagesAlong) {
  KvPool pool = make_pool(3);
  {
    KvSequence a(&pool);
    ASSERT_TRUE(a.extend(1).ok());
    KvSequence b = std::move(a);
    EXPECT_EQ(b.length(), 1u);
    KvSequence c(&pool);
    ASSERT_TRUE(c.extend(2 * kPagePositions).ok());
    c = std::move(b);
    EXPECT_EQ(c.length(), 1u);
  }
  EXPECT_EQ(pool.free_pages(), 3u);
}

// Random operations against a model that keeps every sequence's values in a vector.
TEST(KvSequence, RandomOperationsKeepContentAndReturnAllPages) {
  std::mt19937 random(5);
  KvPool pool = make_pool(12);
  {
    std::vector<KvSequence> sequences;
    std::vector<std::vector<float>> values;
    float next = 1.0f;
    for (int step = 0; step < 3000; ++step) {
      const size_t i = sequences.empty() ? 0 : random() % sequences.size();
      const uint32_t action = random() % 8;
      if (sequences.empty() || (action == 0 && sequences.size() < 6)) {
        sequences.emplace_back(&pool);
        values.emplace_back();
      } else if (action == 1 && sequences.size() < 6) {
        KvSequence copy = sequences[i].fork();
        sequences.push_back(std::move(copy));
        values.push_back(std::vector<float>(values[i]));
      } else if (action == 2) {
        const size_t length = random() % (values[i].size() + 1);
        sequences[i].truncate(length);
        values[i].resize(length);
      } else if (action == 3) {
        sequences.erase(sequences.begin() + static_cast<ptrdiff_t>(i));
        values.erase(values.begin() + static_cast<ptrdiff_t>(i));
      } else {
        const size_t count = random() % 150;
        if (sequences[i].extend(count).ok()) {
          for (size_t k = 0; k < count; ++k) {
            values[i].push_back(next++);
            mark(pool, sequences[i], values[i].size() - 1, values[i].back());
          }
        }
      }
      for (size_t s = 0; s < sequences.size() && step % 10 == 0; ++s) {
        ASSERT_EQ(sequences[s].length(), values[s].size());
        for (size_t p = 0; p < values[s].size(); ++p) {
          ASSERT_EQ(marked(pool, sequences[s], p), values[s][p]) << "step " << step;
        }
      }
    }
  }
  EXPECT_EQ(pool.free_pages(), pool.pages());
}

// What is cached belongs to the adapters that it was computed with.
TEST(KvSequence, OtherAdaptersForgetWhatIsCached) {
  KvPool pool = make_pool(2);
  const auto half = std::make_shared<const LoraSet>(LoraSet{{nullptr, 0.5f}});
  const auto same = std::make_shared<const LoraSet>(LoraSet{{nullptr, 0.5f}});
  const auto other = std::make_shared<const LoraSet>(LoraSet{{nullptr, 0.25f}});
  KvSequence sequence(&pool);
  EXPECT_EQ(sequence.lora(), nullptr);
  const auto length_after = [&](std::shared_ptr<const LoraSet> set) {
    sequence.truncate(0);
    EXPECT_TRUE(sequence.extend(3).ok());
    sequence.set_lora(std::move(set));
    return sequence.length();
  };
  EXPECT_EQ(length_after(std::make_shared<const LoraSet>()), 3u) << "no adapters, either way";
  EXPECT_EQ(length_after(half), 0u);
  EXPECT_EQ(length_after(same), 3u);
  EXPECT_EQ(sequence.lora(), same.get());
  EXPECT_EQ(sequence.fork().lora(), same.get());
  EXPECT_EQ(length_after(other), 0u);
  EXPECT_EQ(length_after(nullptr), 0u);
  EXPECT_EQ(pool.free_pages(), 2u);
  pool.set_lora(other);
  EXPECT_EQ(KvSequence(&pool).lora(), other.get());
  EXPECT_EQ(sequence.lora(), nullptr) << "sequences that exist keep theirs";
}

}  // namespace
}  // namespace rotor
