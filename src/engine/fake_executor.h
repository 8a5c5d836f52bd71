// SPDX-License-Identifier: Apache-2.0
// FakeExecutor: an Executor for tests. It stores every token in the real cache and makes logits
// from the tokens it finds there, so a wrong page, position or order changes the answer.
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "base/philox.h"
#include "model/executor.h"

namespace rotor {

// Pseudo-random logits of the token after `tokens`, multiples of 1/256 in [-4, 4).
inline std::vector<float> fake_logits(const std::vector<TokenId>& tokens, size_t vocab) {
  uint64_t hash = 0;
  for (const TokenId token : tokens) {
    hash = (hash ^ static_cast<uint32_t>(token)) * 0x9E3779B97F4A7C15 + 1;
    hash ^= hash >> 31;
  }
  std::vector<float> logits(vocab);
  for (uint32_t i = 0; i < vocab; ++i) {
    const uint32_t bits = philox4x32(
        {static_cast<uint32_t>(hash), static_cast<uint32_t>(hash >> 32), i, 0}, {1, 2})[0];
    logits[i] = static_cast<float>(bits % 2048) / 256.0f - 4.0f;
  }
  return logits;
}

// What a query asks for of `logits`, and no more.
inline std::vector<TokenLogit> top_logits(std::span<const float> logits, const TopQuery& query) {
  std::vector<TokenLogit> all;
  for (size_t i = 0; i < logits.size(); ++i) {
    all.push_back({logits[i], static_cast<TokenId>(i)});
  }
  const auto also = [&](const TokenLogit& entry) {
    return std::find(query.also.begin(), query.also.end(), entry.token) != query.also.end();
  };
  if (query.draw) {
    const auto score = [&](const TokenLogit& entry) {
      return also(entry) ? -INFINITY
                         : draw_score(entry.logit, query.draw->temperature,
                                      gumbel_from_bits(gumbel_bits(query.draw->key, entry.token)));
    };
    const auto drawn =
        std::max_element(all.begin(), all.end(), [&](const TokenLogit& a, const TokenLogit& b) {
          return score(a) < score(b);
        });
    const TokenId token = drawn->token;
    std::erase_if(all, [&](const TokenLogit& entry) { return entry.token != token && !also(entry); });
    return all;
  }
  std::vector<TokenLogit> sorted = all;
  std::sort(sorted.begin(), sorted.end(), more_likely);
  const float least = sorted.at(std::min(query.count, sorted.size()) - 1).logit - query.below;
  std::erase_if(all,
                [&](const TokenLogit& entry) { return entry.logit < least && !also(entry); });
  return all;
}

class FakeExecutor : public Executor {
 public:
  FakeExecutor(size_t vocab, size_t max_batch, size_t pages)
      : vocab_(vocab),
        max_batch_(max_batch),
        pool_(*KvPool::create(config(), KvType::kF32, pages)) {}

  size_t max_batch() const override { return max_batch_; }
  KvPool& kv_pool() override { return pool_; }
  RowLogits logits(size_t i) override {
    if (top_.at(i).empty()) {
      return {logits_.at(i), {}};
    }
    return {{}, top_.at(i)};
  }
  void set_trace(TraceHook*) override {}

  Status forward(const Batch& batch, const CancelFlag* cancel) override {
    const size_t pass = batch_sizes.size();
    batch_sizes.push_back(batch.rows.size());
    logits_.clear();
    top_.clear();
    if (batch.rows.empty() || batch.rows.size() > max_batch_) {
      return internal_error("a batch of " + std::to_string(batch.rows.size()) + " rows");
    }
    if (before_pass) {
      before_pass(pass);
    }
    for (const BatchRow& row : batch.rows) {
      if (row.position >= row.sequence->length()) {
        return internal_error("a position beyond its sequence");
      }
      store(row, row.token);
    }
    if (cancel != nullptr && cancel->cancelled()) {
      for (const BatchRow& row : batch.rows) {
        store(row, -7);  // the contract: unspecified
      }
      return Status(Code::kCancelled, "cancelled");
    }
    if (pass == failing_pass) {
      return Status(Code::kNotFinite, "fake");
    }
    for (const BatchRow& row : batch.rows) {
      if (row.wants_logits) {
        logits_.push_back(make_logits(read(row)));
        top_.emplace_back();
        if (row.top != nullptr && answers_top) {
          top_.back() = top_logits(logits_.back(), *row.top);
        }
      }
    }
    return Status();
  }

  std::vector<size_t> batch_sizes;  // rows of every pass so far
  size_t failing_pass = SIZE_MAX;
  std::function<void(size_t pass)> before_pass;
  bool answers_top = false;         // as a device with a two-stage head does
  std::function<std::vector<float>(const std::vector<TokenId>& tokens)> make_logits =
      [this](const std::vector<TokenId>& tokens) { return fake_logits(tokens, vocab_); };

 private:
  static ModelConfig config() {
    ModelConfig config;
    config.layers = config.heads = config.kv_heads = 1;
    config.head_dim = 2;
    return config;
  }
  // The key of a position: its token and its position, as int32.
  std::byte* slot(const KvSequence& sequence, size_t position) {
    return pool_.keys(sequence.page_of(position), 0, 0) + position % kPagePositions * 8;
  }
  void store(const BatchRow& row, TokenId token) {
    const int32_t key[2] = {token, static_cast<int32_t>(row.position)};
    std::memcpy(slot(*row.sequence, row.position), key, sizeof(key));
  }
  std::vector<TokenId> read(const BatchRow& row) {
    std::vector<TokenId> tokens;
    for (size_t i = 0; i <= row.position; ++i) {
      int32_t key[2];
      std::memcpy(key, slot(*row.sequence, i), sizeof(key));
      tokens.push_back(key[1] == static_cast<int32_t>(i) ? key[0] : -8);
    }
    return tokens;
  }

  size_t vocab_;
  size_t max_batch_;
  KvPool pool_;
  std::vector<std::vector<float>> logits_;
  std::vector<std::vector<TokenLogit>> top_;
};

}  // namespace rotor
