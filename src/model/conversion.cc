// SPDX-License-Identifier: Apache-2.0
#include "model/conversion.h"

#include <algorithm>

#include "model/family.h"
#include "model/loader.h"
#include "model/matrix_hash.h"

namespace rotor {
namespace {

constexpr size_t kChunkBytes = size_t{1} << 20;

}  // namespace

Status Conversion::check_cancel() const {
  return cancel_ != nullptr && cancel_->cancelled() ? Status(Code::kCancelled, "cancelled")
                                                    : Status();
}

Status Conversion::convert_layers(const Pack& pack, const Write& write) {
  const size_t matrices = source_.layers.size() * kLinearRoles;
  std::vector<PackedMatrix> packed(kLinearRoles);
  for (size_t layer = 0; layer < source_.layers.size(); ++layer) {
    ROTOR_TRY(check_cancel());
    ROTOR_TRY(for_each_task(
        pool_, kLinearRoles,
        [&](size_t r) -> Status {
          ROTOR_ASSIGN(packed[r], pack(layer, static_cast<LinearRole>(r)));
          return {};
        },
        [](size_t) {}));
    ROTOR_TRY(write(layer, packed));
    for (const PackedMatrix& matrix : packed) {
      trits_.update(std::as_bytes(std::span(matrix.sha256)));
      rounding_ = std::max(rounding_, matrix.rounding);
    }
    if (progress_) {
      progress_("converting", (layer + 1) * kLinearRoles, matrices);
    }
  }
  return {};
}

Status Conversion::copy_rows(const FloatSource& rows,
                             const std::function<Status(std::span<const std::byte>)>& write) {
  const size_t row_bytes = float_row_bytes(rows.type, rows.cols);
  const size_t step = std::max<size_t>(1, kChunkBytes / row_bytes);
  std::vector<std::byte> chunk(step * row_bytes);
  for (size_t begin = 0; begin < rows.rows; begin += step) {
    ROTOR_TRY(check_cancel());
    const size_t end = std::min(rows.rows, begin + step);
    ROTOR_TRY(rows.reader->read(begin, end, chunk.data()));
    ROTOR_TRY(write(std::span(chunk).first((end - begin) * row_bytes)));
    if (progress_) {
      progress_("writing embedding", end, rows.rows);
    }
  }
  return {};
}

Result<std::string> for_each_row_block(
    const TritReader& reader, const std::function<Status(size_t block, size_t rows,
                                                         const int8_t* trits)>& use) {
  const size_t blocks = row_blocks(reader.rows());
  std::vector<int8_t> trits(kTileRows * reader.cols());
  MatrixHash hash(reader.cols());
  for (size_t block = 0; block < blocks; ++block) {
    ROTOR_TRY(reader.read(block, block + 1, trits.data()));
    const size_t rows = std::min(kTileRows, reader.rows() - block * kTileRows);
    hash.update(std::span(trits).first(rows * reader.cols()));
    ROTOR_TRY(use(block, rows, trits.data()));
  }
  return hash.hex();
}

size_t scale_group_cols(const LinearSource& linear) {
  const size_t cols = linear.trits->cols();
  return linear.scale.grouped() ? std::min(linear.scale.group.cols, cols) : cols;
}

Status read_scales(const LinearSource& linear, size_t group_cols, size_t begin, size_t end,
                   float* scales) {
  const size_t cols = linear.trits->cols();
  const size_t groups = (cols + group_cols - 1) / group_cols;
  const size_t rows = (end - begin) * kTileRows;
  const TernaryScale& scale = linear.scale;
  if (!scale.grouped()) {
    const bool per_row = scale.granularity == TernaryScale::Granularity::kRow;
    for (size_t r = 0; r < rows; ++r) {
      const size_t row = begin * kTileRows + r;
      const float value = !per_row                     ? scale.values[0]
                          : row < scale.values.size() ? scale.values[row]
                                                       : 0.0f;
      std::fill_n(scales + r * groups, groups, value);
    }
    return {};
  }
  const size_t own_groups = scale.group.groups(cols);
  std::vector<float> own(rows * own_groups);
  ROTOR_TRY(linear.group_scales->read(begin, end, own.data()));
  for (size_t r = 0; r < rows; ++r) {
    for (size_t g = 0; g < groups; ++g) {
      scales[r * groups + g] = own[r * own_groups + g * group_cols / scale.group.cols];
    }
  }
  return {};
}

std::vector<TokenId> end_tokens(const ModelSource& source) {
  std::vector<TokenId> ids = source.end_of_generation;
  if (source.tokenizer) {
    const TokenizerSpec& spec = *source.tokenizer;
    ids.insert(ids.end(), spec.end_of_generation.begin(), spec.end_of_generation.end());
    ids.insert(ids.end(), {spec.eos, spec.eot});
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  std::erase(ids, kNoToken);
  return ids;
}

Status check_family_layers(const ModelConfig& c, const std::string& container) {
  const auto refuse = [&](const std::string& what) {
    return unsupported(container + ": a model " + what +
                       " cannot be written; a .rotor file can hold it");
  };
  const Family& family = family_of(c);
  if (!is_exported(family)) {
    return refuse("of family '" + c.family + "'");
  }
  if (c.attn_sub_norm != family.sub_norms || c.ffn_sub_norm != family.sub_norms) {
    return refuse("of family '" + c.family + "' with" + (family.sub_norms ? "out both" : "") +
                  " inner norms");
  }
  if (c.qk_norm != family.qk_norm) {
    return refuse("of family '" + c.family + "' with" + (family.qk_norm ? "out" : "") +
                  " norms of heads");
  }
  if (c.embed_scale != 1.0f || c.residual_scale != 1.0f || c.head_divisor != 1.0f) {
    return refuse("with multipliers of embedding, layers and head");
  }
  if (c.post_norms || (c.global_every != 0 && !family.experts) || c.activation == Activation::kGeluTanh) {
    return refuse("with Gemma's layers");
  }
  const bool in_part = c.experts != 0 || c.global_unturned || c.rotary_dims != 0 || c.gate_limit != 0.0f;
  if (family.experts ? !c.global_unturned : in_part) {
    return refuse("of family '" + c.family + "' with" + (family.experts ? "out all" : " parts") +
                  " of Maple's layers");
  }
  if (c.float_activations) {
    return refuse("whose activations stay floats");
  }
  if (c.attention_window != 0 && !family.experts) {
    return refuse("with an attention window of " + std::to_string(c.attention_window) + " positions");
  }
  return {};
}

}  // namespace rotor
