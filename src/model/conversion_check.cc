// SPDX-License-Identifier: Apache-2.0
#include "model/conversion_check.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/kernels.h"
#include "model/conversion.h"
#include "model/float_rows.h"
#include "model/loader.h"
#include "model/rope_scaling_form.h"
#include "model/trit_hash.h"

namespace rotor {
namespace {

Status differs(const std::string& what) {
  return Status(Code::kVerificationFailed, "what was written reads back with another " + what);
}

Status check_config(ModelConfig expected, ModelConfig got, bool round_rope) {
  expected.name = got.name = "";
  expected.rope_scaling = essential(expected.rope_scaling);
  got.rope_scaling = essential(got.rope_scaling);
  if (round_rope) {
    expected.rope_theta = static_cast<float>(expected.rope_theta);
    expected.rope_scaling = in_binary32(expected.rope_scaling);
  }
  return expected == got
             ? Status()
             : differs("configuration (sizes, activation, rope_theta, rotary scaling or eps)");
}

Status check_norms(const ModelSource& source, const ModelSource& written) {
  if (source.output_norm != written.output_norm) {
    return differs("final norm");
  }
  for (size_t i = 0; i < source.layers.size(); ++i) {
    for (const LayerNorm& norm : layer_norms(source.config)) {
      if (source.layers[i].norm(norm.role) != written.layers[i].norm(norm.role)) {
        return differs(std::string(norm_role_name(norm.role)) + " in layer " + std::to_string(i));
      }
    }
    for (size_t r = 0; r < kLinearRoles; ++r) {
      if (source.layers[i].linear[r].input_norm != written.layers[i].linear[r].input_norm) {
        return differs("norm of " + source.layers[i].linear[r].tensor);
      }
    }
  }
  return {};
}

// The numbers of all rows; their types may differ.
Status check_rows(const FloatSource& expected, const FloatSource& got, const CancelFlag* cancel) {
  ROTOR_ASSIGN(const IsaLevel isa, selected_isa());
  const FromF16 from_f16 = kernel_table(isa).from_f16;
  const size_t expected_bytes = float_row_bytes(expected.type, expected.cols);
  const size_t got_bytes = float_row_bytes(got.type, got.cols);
  const size_t step = std::max<size_t>(1, (size_t{1} << 20) / expected_bytes);
  std::vector<std::byte> a(step * expected_bytes);
  std::vector<std::byte> b(step * got_bytes);
  std::vector<float> a_row(expected.cols);
  std::vector<float> b_row(expected.cols);
  for (size_t begin = 0; begin < expected.rows; begin += step) {
    if (cancel != nullptr && cancel->cancelled()) {
      return Status(Code::kCancelled, "cancelled");
    }
    const size_t end = std::min(expected.rows, begin + step);
    ROTOR_TRY(expected.reader->read(begin, end, a.data()));
    ROTOR_TRY(got.reader->read(begin, end, b.data()));
    if (expected.type == got.type && a == b) {
      continue;
    }
    for (size_t row = 0; row < end - begin; ++row) {
      decode_row(expected.type, a.data() + row * expected_bytes, expected.cols, from_f16,
                 a_row.data());
      decode_row(got.type, b.data() + row * got_bytes, got.cols, from_f16, b_row.data());
      if (a_row != b_row) {
        return differs("row " + std::to_string(begin + row) + " of " + expected.tensor);
      }
    }
  }
  return {};
}

Status check_scales(const LinearSource& expected, const LinearSource& got, double rounding) {
  const size_t cols = expected.trits->cols();
  const size_t group = std::gcd(scale_group_cols(expected), scale_group_cols(got));
  const size_t groups = (cols + group - 1) / group;
  std::vector<float> a(kTileRows * groups);
  std::vector<float> b(kTileRows * groups);
  const size_t rows = expected.trits->rows();
  for (size_t block = 0; block < row_blocks(rows); ++block) {
    ROTOR_TRY(read_scales(expected, group, block, block + 1, a.data()));
    ROTOR_TRY(read_scales(got, group, block, block + 1, b.data()));
    const size_t count = std::min(kTileRows, rows - block * kTileRows) * groups;
    for (size_t i = 0; i < count; ++i) {
      if (!(std::abs(static_cast<double>(a[i]) - b[i]) <= rounding * a[i])) {
        return differs("scale of " + expected.tensor);
      }
    }
  }
  return {};
}

}  // namespace

Status check_conversion(const ModelSource& source, const ModelSource& written,
                        const std::string& trits_sha256, const AllowedRounding& allowed,
                        ThreadPool& pool, const ProgressCallback& progress, const CancelFlag* cancel) {
  ROTOR_TRY(check_config(source.config, written.config, allowed.rope));
  ROTOR_TRY(check_norms(source, written));
  ROTOR_TRY(check_rows(source.embed, written.embed, cancel));
  if (source.head) {
    ROTOR_TRY(check_rows(*source.head, *written.head, cancel));
  }
  for (size_t i = 0; i < source.layers.size(); ++i) {
    if (source.layers[i].router) {
      ROTOR_TRY(check_rows(*source.layers[i].router, *written.layers[i].router, cancel));
    }
  }
  const std::vector<TokenId> expected_ends = end_tokens(source);
  const std::vector<TokenId> ends = end_tokens(written);
  if (!std::includes(ends.begin(), ends.end(), expected_ends.begin(), expected_ends.end())) {
    return differs("set of end tokens");
  }
  ROTOR_ASSIGN(const TritStatistics trits, trit_statistics(written, pool, progress, cancel));
  if (trits.sha256 != trits_sha256) {
    return Status(Code::kVerificationFailed, "the trits read have SHA-256 " + trits_sha256 +
                                                 ", those written " + trits.sha256);
  }
  const size_t matrices = source.layers.size() * kLinearRoles;
  return for_each_task(
      pool, matrices,
      [&](size_t i) {
        return check_scales(source.layers[i / kLinearRoles].linear[i % kLinearRoles],
                            written.layers[i / kLinearRoles].linear[i % kLinearRoles], allowed.scales);
      },
      [](size_t) {});
}

}  // namespace rotor
