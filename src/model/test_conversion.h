// SPDX-License-Identifier: Apache-2.0
// Models for tests of the writers, and what every writer has to do. Test code.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "base/test_folder.h"
#include "base/test_full_disk.h"
#include "model/conversion.h"
#include "model/conversion_check.h"
#include "model/test_model.h"
#include "model/trit_hash.h"

namespace rotor::test {

// Rows of 256 and 512 columns, whole blocks of every type.
inline ModelConfig block_config() {
  ModelConfig c = test_config();
  c.hidden = 256;
  c.ffn = 512;
  c.heads = 4;
  c.kv_heads = 2;
  c.head_dim = 64;
  return c;
}

inline std::string trits_sha256(const ModelSource& source) {
  ThreadPool pool(2);
  const auto trits = trit_statistics(source, pool, {});
  EXPECT_TRUE(trits.ok()) << trits.status().message();
  return trits.ok() ? trits->sha256 : "";
}

// Everything of the model, without rounding.
inline void expect_same_model(const ModelSource& source, const ModelSource& written) {
  ThreadPool pool(2);
  const Status status =
      check_conversion(source, written, trits_sha256(source), {}, pool, {}, nullptr);
  EXPECT_TRUE(status.ok()) << status.message();
}

using Convert = std::function<Result<ConvertResult>(const ProgressCallback&, const CancelFlag*)>;

// Cancels at each report of progress in turn; `unchanged` checks that the old state is there. The last
// reports may come too late.
inline void expect_cancel_anywhere(const Convert& convert, const std::function<void()>& unchanged) {
  bool finished = false;
  for (size_t at = 1; !finished; ++at) {
    ASSERT_LT(at, 1000u);
    CancelFlag cancel;
    size_t calls = 0;
    const auto result = convert(
        [&](std::string_view, uint64_t done, uint64_t total) {
          EXPECT_LE(done, total);
          if (++calls == at) {
            cancel.cancel();
          }
        },
        &cancel);
    finished = result.ok();
    if (!finished) {
      EXPECT_EQ(result.status().code(), Code::kCancelled) << result.status().message();
      unchanged();
    }
  }
}

}  // namespace rotor::test
