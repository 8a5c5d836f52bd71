// SPDX-License-Identifier: Apache-2.0
// The key/value cache: a pool of pages of 256 positions, reference-counted and copied on write, so
// that sequences fork, truncate and share a prefix without copying what they have in common.
#pragma once

#include <rotor/lora.h>
#include <rotor/status.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "kernels/kernels.h"
#include "model/config.h"

namespace rotor {

// int8: integers within 127 and one binary32 scale for each position and head (docs/numerics.md).
enum class KvType : uint8_t { kF16, kBf16, kF32, kInt8 };
std::optional<KvType> parse_kv_type(std::string_view name);  // "f16", "bf16", "f32", "int8"

// Of the keys (or values) of a position in one head.
size_t kv_vector_bytes(KvType type, size_t head_dim);

// The pages. One pool per executor, used by the thread that drives it.
class KvPool {
 public:
  // Reserves `pages` pages; memory is taken from the system when a page is first written.
  static Result<KvPool> create(const ModelConfig& config, KvType type, size_t pages);

  KvType type() const { return type_; }
  size_t pages() const { return references_.size(); }
  size_t free_pages() const { return free_.size(); }
  size_t page_bytes() const { return page_bytes_; }

  // The adapters that new sequences begin with. Null or empty: none.
  void set_lora(std::shared_ptr<const LoraSet> lora) { lora_ = std::move(lora); }
  const std::shared_ptr<const LoraSet>& lora() const { return lora_; }

  // Keys (or values) of one page, layer and key/value head: (kPagePositions, head_dim).
  std::byte* keys(size_t page, size_t layer, size_t kv_head);
  std::byte* values(size_t page, size_t layer, size_t kv_head);
  // (kPagePositions) scales of these keys or values. REQUIRES: type() is int8.
  float* scales(std::byte* keys_or_values) const {
    return reinterpret_cast<float*>(keys_or_values + scales_at_);
  }

 private:
  friend class KvSequence;
  Result<size_t> take();             // a free page with one reference; kOutOfPages
  void retain(size_t page) { ++references_[page]; }
  void release(size_t page);

  KvType type_ = KvType::kF16;
  size_t page_bytes_ = 0;
  size_t layer_bytes_ = 0;           // keys and values of one layer of a page
  size_t head_bytes_ = 0;            // (kPagePositions, head_dim), then scales if there are any
  size_t scales_at_ = 0;             // of head_bytes_
  size_t kv_heads_ = 0;
  std::vector<uint32_t> references_;
  std::vector<size_t> free_;
  Buffer memory_;
  std::shared_ptr<const LoraSet> lora_;
};

// The pages of one sequence, in order, and the adapters that its positions are computed with. Movable,
// not copyable: fork() says what copying means.
// REQUIRES: the pool outlives the sequence.
class KvSequence {
 public:
  explicit KvSequence(KvPool* pool)
      : pool_(pool), lora_(pool != nullptr ? pool->lora() : nullptr) {}
  KvSequence(KvSequence&& other) noexcept;
  KvSequence& operator=(KvSequence&& other) noexcept;
  ~KvSequence();

  // Positions stored.
  size_t length() const { return length_; }
  // Page that holds position `position`. REQUIRES: position < length().
  size_t page_of(size_t position) const { return pages_[position / kPagePositions]; }

  // Makes room for `count` more positions, owned by this sequence alone: takes pages and copies a
  // shared last page. On kOutOfPages nothing changes. Afterwards length() has grown by `count`.
  Status extend(size_t count);
  // Forgets the positions from `length` on.
  void truncate(size_t length);
  // Null: none.
  const LoraSet* lora() const { return lora_ == nullptr || lora_->empty() ? nullptr : lora_.get(); }
  // What is cached was computed with other adapters and is forgotten, unless they are equal.
  void set_lora(std::shared_ptr<const LoraSet> lora);
  // A sequence with the same content and adapters that shares all pages.
  KvSequence fork() const;

 private:
  KvPool* pool_;
  size_t length_ = 0;
  std::vector<size_t> pages_;
  std::shared_ptr<const LoraSet> lora_;
};

}  // namespace rotor
