// SPDX-License-Identifier: Apache-2.0
// Teams of all small sizes, more members than processors included; run under TSan by its preset.
#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cfenv>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

namespace rotor {
namespace {

TEST(ThreadPool, EachMemberRunsOnce) {
  for (size_t threads : {1, 2, 3, 5, 8}) {
    ThreadPool pool(threads);
    ASSERT_EQ(pool.size(), threads);
    std::vector<int> runs(threads, 0);
    for (int round = 1; round <= 200; ++round) {
      pool.run([&](size_t index) { ++runs[index]; });
      ASSERT_EQ(runs, std::vector<int>(threads, round));
    }
  }
}

TEST(ThreadPool, CallerIsMemberZero) {
  ThreadPool pool(3);
  const std::thread::id caller = std::this_thread::get_id();
  std::thread::id zero;
  pool.run([&](size_t index) {
    if (index == 0) {
      zero = std::this_thread::get_id();
    }
  });
  EXPECT_EQ(zero, caller);
}

// Plain, unsynchronised data crosses the barrier in both directions.
TEST(ThreadPool, BarrierSeparatesPhases) {
  for (size_t threads : {2, 3, 5}) {
    ThreadPool pool(threads);
    std::vector<size_t> mine(threads, 0);
    std::vector<size_t> seen(threads, 0);
    pool.run([&](size_t index) {
      for (size_t phase = 1; phase <= 300; ++phase) {
        mine[index] = phase * (index + 1);
        pool.barrier();
        seen[index] += std::accumulate(mine.begin(), mine.end(), size_t{0});
        pool.barrier();
      }
    });
    const size_t expected = 300 * 301 / 2 * (threads * (threads + 1) / 2);
    EXPECT_EQ(seen, std::vector<size_t>(threads, expected));
  }
}

TEST(ThreadPool, WakesAfterParking) {
  ThreadPool pool(2);
  std::atomic<int> count{0};
  for (int i = 0; i < 5; ++i) {
    pool.run([&](size_t) { ++count; });
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  EXPECT_EQ(count, 10);
}

// Spinning members on one processor would need a scheduler tick, some milliseconds, per barrier.
TEST(ThreadPool, ManyMembersOnFewProcessorsDoNotCrawl) {
  ThreadPool pool(4 * std::max(1u, std::thread::hardware_concurrency()) + 1);
  const auto start = std::chrono::steady_clock::now();
  pool.run([&](size_t) {
    for (int i = 0; i < 500; ++i) {
      pool.barrier();
    }
  });
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST(ThreadPool, MembersWorkInTheDefaultFloatEnvironment) {
  ASSERT_EQ(std::fesetround(FE_UPWARD), 0);
  std::vector<int> modes(3, -1);
  {
    ThreadPool pool(3);
    pool.run([&](size_t index) { modes[index] = std::fegetround(); });
  }
  EXPECT_EQ(std::fegetround(), FE_UPWARD) << "the caller's own mode comes back";
  std::fesetround(FE_TONEAREST);
  EXPECT_EQ(modes, std::vector<int>(3, FE_TONEAREST));
}

TEST(ThreadPool, CreatedAndDestroyedWithoutWork) {
  for (int i = 0; i < 50; ++i) {
    ThreadPool pool(4);
  }
}

TEST(SliceOf, PartitionsInOrder) {
  for (size_t count : {0, 1, 15, 16, 17, 160, 1000}) {
    for (size_t grain : {1, 16, 64}) {
      for (size_t members = 1; members <= 9; ++members) {
        size_t expected_begin = 0;
        for (size_t index = 0; index < members; ++index) {
          const Slice slice = slice_of(count, grain, index, members);
          ASSERT_EQ(slice.begin, expected_begin);
          ASSERT_LE(slice.begin, slice.end);
          ASSERT_TRUE(slice.begin % grain == 0 || slice.begin == count);
          expected_begin = slice.end;
        }
        ASSERT_EQ(expected_begin, count);
      }
    }
  }
}

TEST(SliceOf, SharesDifferByAtMostOneGrain) {
  for (size_t index = 0; index < 3; ++index) {
    const Slice slice = slice_of(10 * 16, 16, index, 3);
    EXPECT_GE(slice.end - slice.begin, 3 * 16u);
    EXPECT_LE(slice.end - slice.begin, 4 * 16u);
  }
}

TEST(DefaultThreadCount, IsWithinTheMachine) {
  EXPECT_GE(default_thread_count(), 1u);
  EXPECT_LE(default_thread_count(), std::max(1u, std::thread::hardware_concurrency()));
}

}  // namespace
}  // namespace rotor
