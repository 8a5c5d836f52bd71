// SPDX-License-Identifier: Apache-2.0
#include "model/workspace.h"

#include <gtest/gtest.h>

#include "kernels/kernels.h"
#include "model/test_model.h"

namespace rotor {
namespace {

TEST(Workspace, StridesHoldTheWidestInputAndAllMatricesOfAVerb) {
  ModelConfig c = test_config();  // hidden 40, ffn 56, q_rows 48, kv_rows 24
  const auto w = Workspace::create(c, 3, 2, 5);
  ASSERT_TRUE(w.ok());
  EXPECT_EQ(w->max_batch, 3u);
  EXPECT_EQ(w->widest, 56u);
  EXPECT_EQ(w->q8_stride, 320u);  // 56 padded to whole tiles and an odd number of cache lines
  EXPECT_EQ(w->q8_stride % kColumnPadding, 0u);
  // Gate and up, each padded from 56 to 64 rows: 8 cache lines, made 9.
  EXPECT_EQ(w->acc_stride, 2u * 64u + 16u);
  EXPECT_EQ(w->partial_items, 4u * 2u * 5u);

  c.ffn = 8;
  const auto narrow = Workspace::create(c, 1, 1, 1);
  ASSERT_TRUE(narrow.ok());
  EXPECT_EQ(narrow->widest, 48u);
  EXPECT_EQ(narrow->acc_stride, 48u + 2u * 32u);  // q, and k and v padded from 24 to 32 rows
}

// Fills every array to its last element; a sanitizer or an overlap shows what is too small.
void expect_arrays_apart(const ModelConfig& c) {
  const size_t batch = 3;
  const size_t threads = 2;
  const auto w = Workspace::create(c, batch, threads, 4);
  ASSERT_TRUE(w.ok());
  const size_t half = batch * c.turned_dims() / 2;
  const size_t used = c.experts != 0 ? c.experts_used : 1;
  const size_t chosen = c.experts != 0 ? batch * used : 0;
  const std::vector<std::pair<void*, size_t>> arrays = {
      {w->x, batch * c.hidden * 4},
      {w->normed, batch * w->widest * 4},
      {w->q8, batch * w->q8_stride},
      {w->q8_scale, batch * 4},
      {w->q8_sum, batch * 4},
      {w->q8_running, batch * w->q8_running_stride * 4},
      {w->acc, batch * w->acc_stride * 4},
      {w->thread_acc, threads * w->thread_acc_stride * 4},
      {w->thread_values, threads * w->thread_values_stride * 4},
      {w->q, batch * c.q_rows() * 4},
      {w->k, batch * c.kv_rows() * 4},
      {w->v, batch * c.kv_rows() * 4},
      {w->attended, batch * c.q_rows() * 4},
      {w->gate, batch * used * c.ffn * 4},
      {w->head_input, batch * c.hidden * 4},
      {w->cos, half * 4},
      {w->sin, half * 4},
      {w->partial, w->partial_items * c.group() * (c.head_dim + 2) * 4},
      {w->thread_scratch, threads * w->thread_stride * 4},
      {w->logits, batch * c.vocab * 4},
      {w->branch, (c.experts != 0 ? batch * c.hidden : 0) * 4},
      {w->router_logits, batch * c.experts * 4},
      {w->chosen_q8, chosen * w->q8_stride},
      {w->chosen_scale, chosen * 4},
      {w->chosen_sum, chosen * 4},
      {w->chosen_running, chosen * w->q8_running_stride * 4},
      {w->chosen_floats, chosen * w->widest * 4},
  };
  for (size_t i = 0; i < arrays.size(); ++i) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(arrays[i].first) % 64, 0u) << i;
    std::memset(arrays[i].first, static_cast<int>(i + 1), arrays[i].second);
  }
  for (size_t i = 0; i < arrays.size(); ++i) {
    const auto* bytes = static_cast<const unsigned char*>(arrays[i].first);
    EXPECT_EQ(std::count(bytes, bytes + arrays[i].second, i + 1),
              static_cast<ptrdiff_t>(arrays[i].second))
        << "array " << i << " overlaps another";
  }
}

TEST(Workspace, ArraysAreAlignedWritableAndApart) {
  expect_arrays_apart(test_config());
  expect_arrays_apart(experts_config());
}

TEST(Workspace, ASizeThatNoMachineHasIsAnError) {
  ModelConfig c = test_config();
  c.vocab = (size_t{1} << 24) - 1;
  const auto w = Workspace::create(c, size_t{1} << 30, 1, 1);
  ASSERT_FALSE(w.ok());
  EXPECT_EQ(w.status().code(), Code::kOutOfMemory);
}

}  // namespace
}  // namespace rotor
