// SPDX-License-Identifier: Apache-2.0
// Page bookkeeping. A page holds, for each layer, the keys of all key/value heads and then their
// values, so that one page is everything 256 positions of a sequence need.
#include "model/kv_cache.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string>
#include <utility>

namespace rotor {
namespace {

constexpr std::string_view kNames[] = {"f16", "bf16", "f32", "int8"};

size_t element_bytes(KvType type) {
  switch (type) {
    case KvType::kF16:
    case KvType::kBf16: return 2;
    case KvType::kF32: return 4;
    case KvType::kInt8: break;
  }
  return 1;
}

}  // namespace

std::optional<KvType> parse_kv_type(std::string_view name) {
  const auto* const found = std::find(std::begin(kNames), std::end(kNames), name);
  return found == std::end(kNames)
             ? std::nullopt
             : std::optional(static_cast<KvType>(found - std::begin(kNames)));
}

size_t kv_vector_bytes(KvType type, size_t head_dim) {
  return head_dim * element_bytes(type) + (type == KvType::kInt8 ? sizeof(float) : 0);
}

Result<KvPool> KvPool::create(const ModelConfig& config, KvType type, size_t pages) {
  KvPool pool;
  pool.type_ = type;
  pool.kv_heads_ = config.kv_heads;
  // Sizes were validated: head_dim and kv_heads <= 4096, layers <= 1024, so a page fits 64 bits.
  pool.head_bytes_ = kPagePositions * kv_vector_bytes(type, config.head_dim);
  pool.scales_at_ = kPagePositions * config.head_dim * element_bytes(type);
  pool.layer_bytes_ = 2 * config.kv_heads * pool.head_bytes_;
  pool.page_bytes_ = config.layers * pool.layer_bytes_;
  const std::string cache = "a key/value cache of " + std::to_string(pages * kPagePositions) +
                            " positions";
  if (pages != 0 && pool.page_bytes_ > SIZE_MAX / 2 / pages) {
    return out_of_memory(cache + " is larger than any memory");
  }
  Result<Buffer> memory = Buffer::allocate(pool.page_bytes_ * pages);
  if (!memory.ok()) {
    return Status(memory.status()).with_context(cache);
  }
  pool.memory_ = *std::move(memory);
  pool.references_.assign(pages, 0);
  for (size_t page = pages; page > 0; --page) {
    pool.free_.push_back(page - 1);  // taken from the back: page 0 first
  }
  return pool;
}

std::byte* KvPool::keys(size_t page, size_t layer, size_t kv_head) {
  return memory_.data() + page * page_bytes_ + layer * layer_bytes_ + kv_head * head_bytes_;
}

std::byte* KvPool::values(size_t page, size_t layer, size_t kv_head) {
  return keys(page, layer, kv_heads_ + kv_head);
}

Result<size_t> KvPool::take() {
  if (free_.empty()) {
    return Status(Code::kOutOfPages, "the key/value cache is full: all " +
                                         std::to_string(references_.size()) + " pages of " +
                                         std::to_string(kPagePositions) + " positions are in use");
  }
  const size_t page = free_.back();
  free_.pop_back();
  references_[page] = 1;
  return page;
}

void KvPool::release(size_t page) {
  if (--references_[page] == 0) {
    free_.push_back(page);
  }
}

KvSequence::KvSequence(KvSequence&& other) noexcept
    : pool_(other.pool_),
      length_(std::exchange(other.length_, 0)),
      pages_(std::exchange(other.pages_, {})),
      lora_(std::exchange(other.lora_, nullptr)) {}

KvSequence& KvSequence::operator=(KvSequence&& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(length_, other.length_);
  std::swap(pages_, other.pages_);
  std::swap(lora_, other.lora_);
  return *this;
}

KvSequence::~KvSequence() { truncate(0); }

Status KvSequence::extend(size_t count) {
  if (count == 0) {
    return {};
  }
  const size_t used = length_ % kPagePositions;
  const bool copy_last = used != 0 && pool_->references_[pages_.back()] > 1;
  const size_t pages_after = (length_ + count + kPagePositions - 1) / kPagePositions;
  const size_t needed = pages_after - pages_.size() + (copy_last ? 1 : 0);
  if (needed > pool_->free_pages()) {
    return Status(Code::kOutOfPages,
                  "the key/value cache is full: " + std::to_string(needed) + " pages of " +
                      std::to_string(kPagePositions) + " positions needed, " +
                      std::to_string(pool_->free_pages()) + " free");
  }
  if (copy_last) {
    ROTOR_ASSIGN(const size_t fresh, pool_->take());
    std::memcpy(pool_->keys(fresh, 0, 0), pool_->keys(pages_.back(), 0, 0), pool_->page_bytes_);
    pool_->release(pages_.back());
    pages_.back() = fresh;
  }
  while (pages_.size() < pages_after) {
    ROTOR_ASSIGN(const size_t fresh, pool_->take());
    pages_.push_back(fresh);
  }
  length_ += count;
  return {};
}

void KvSequence::truncate(size_t length) {
  length_ = std::min(length, length_);
  const size_t keep = (length_ + kPagePositions - 1) / kPagePositions;
  while (pages_.size() > keep) {
    pool_->release(pages_.back());
    pages_.pop_back();
  }
}

void KvSequence::set_lora(std::shared_ptr<const LoraSet> lora) {
  const LoraSet* const before = this->lora();
  const std::shared_ptr<const LoraSet> held = std::exchange(lora_, std::move(lora));
  const LoraSet* const now = this->lora();
  if (before != now && (before == nullptr || now == nullptr || *before != *now)) {
    truncate(0);
  }
}

KvSequence KvSequence::fork() const {
  KvSequence copy(pool_);
  copy.lora_ = lora_;
  copy.length_ = length_;
  copy.pages_ = pages_;
  for (const size_t page : pages_) {
    pool_->retain(page);
  }
  return copy;
}

}  // namespace rotor
