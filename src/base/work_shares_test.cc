// SPDX-License-Identifier: Apache-2.0
// Every unit is taken once, by its owner where nobody is late; run under TSan by its preset.
#include "base/work_shares.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/thread_pool.h"

namespace rotor {
namespace {

TEST(WorkShares, EveryUnitIsTakenOnce) {
  for (const size_t members : {1, 2, 3, 7}) {
    ThreadPool pool(members);
    ASSERT_EQ(pool.size(), members);
    WorkShares shares(members);
    for (const size_t units : {0, 1, 2, 5, 64, 1001}) {
      for (const size_t most : {1, 3, 1000}) {
        std::vector<std::atomic<int>> taken(units);
        pool.run([&](size_t member) {
          shares.start(member, units);
          pool.barrier();
          for (Slice part = shares.take(member, most); part.begin < part.end;
               part = shares.take(member, most)) {
            EXPECT_LE(part.end - part.begin, most);
            for (size_t unit = part.begin; unit < part.end; ++unit) {
              ++taken[unit];
            }
          }
        });
        for (const std::atomic<int>& times : taken) {
          ASSERT_EQ(times, 1) << units << " units, " << members << " members";
        }
      }
    }
  }
}

TEST(WorkShares, AMemberTakesItsOwnFirstAndThenTheLastOfOthers) {
  WorkShares shares(2);
  shares.start(0, 14);
  shares.start(1, 14);
  std::vector<size_t> borders;
  for (Slice part = shares.take(1, 100); part.begin < part.end; part = shares.take(1, 100)) {
    borders.insert(borders.end(), {part.begin, part.end});
  }
  EXPECT_EQ(borders, (std::vector<size_t>{7, 13, 13, 14, 4, 7, 2, 4, 1, 2, 0, 1}));
  EXPECT_EQ(shares.take(0, 100).end, 0u);
}

TEST(WorkShares, TheOthersDoTheWorkOfOneThatIsHeldUp) {
  ThreadPool pool(2);
  ASSERT_EQ(pool.size(), 2u);
  WorkShares shares(2);
  std::atomic<size_t> done{0};
  size_t by[2] = {};
  pool.run([&](size_t member) {
    shares.start(member, 100);
    pool.barrier();
    for (Slice part = shares.take(member, 100); part.begin < part.end;
         part = shares.take(member, 100)) {
      const size_t count = part.end - part.begin;
      done += count;
      by[member] += count;
      while (member == 1 && done < 100) {  // held up in its first part until all others are done
        std::this_thread::yield();
      }
    }
  });
  EXPECT_EQ(done, 100u);
  EXPECT_LE(by[1], 50u * 7 / 8);
}

}  // namespace
}  // namespace rotor
