// SPDX-License-Identifier: Apache-2.0
#include "model/gguf_export.h"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "base/file.h"
#include "io/gguf_types.h"
#include "io/gguf_writer.h"
#include "model/conversion_check.h"
#include "model/family.h"
#include "model/gguf_metadata.h"
#include "model/gguf_names.h"
#include "model/gguf_source.h"
#include "model/rope_scaling_form.h"

namespace rotor {
namespace {

uint32_t float_type_id(FloatType type) {
  switch (type) {
    case FloatType::kF32: return kGgufF32;
    case FloatType::kF16: return kGgufF16;
    case FloatType::kBf16: return kGgufBF16;
    case FloatType::kQ8_0: return kGgufQ8_0;
    case FloatType::kQ6K: return kGgufQ6K;
    case FloatType::kQ4_0: return kGgufQ4_0;
    case FloatType::kQ4K: return kGgufQ4K;
  }
  return kGgufF32;
}

class Writer {
 public:
  Writer(const ModelSource& source, GgufWeights type, bool allow_rounding, ThreadPool& pool,
         const ProgressCallback& progress, const CancelFlag* cancel)
      : source_(source), type_(type), allow_rounding_(allow_rounding),
        conversion_(source, pool, progress, cancel) {}

  // The complete file, not yet under its name.
  Result<GgufWriter> write(const std::string& path, ConvertResult& result) {
    ROTOR_TRY(check_gguf_weights(source_, type_));
    ROTOR_TRY(check_experts());
    ROTOR_ASSIGN(const auto metadata,
                 gguf_metadata(source_, type_, allow_rounding_, result.notes));
    ROTOR_ASSIGN(writer_, GgufWriter::create(path, metadata, plan()));
    ROTOR_TRY(write_rows(gguf_names::kEmbed, source_.embed));
    if (!divisors_.empty()) {
      ROTOR_TRY(write_vector(gguf_names::kRotaryDivisors, divisors_));
    }
    ROTOR_TRY(write_layers());
    ROTOR_TRY(write_vector(gguf_names::kOutputNorm, source_.output_norm));
    if (source_.head) {
      ROTOR_TRY(write_rows(gguf_names::kHead, *source_.head));
    }
    result.trits_sha256 = conversion_.trits_sha256();
    ROTOR_TRY(writer_.set_text(kGgufTritsKey, result.trits_sha256));
    if (conversion_.rounding() > 0.0) {
      result.notes.push_back(fmt::format("scales were rounded to binary16, by at most {:.2g} of them",
                                         conversion_.rounding()));
    }
    result.file_bytes = writer_.file_bytes();
    ROTOR_TRY(writer_.finish());
    return std::move(writer_);
  }

  double rounding() const { return conversion_.rounding(); }

 private:
  // A scale at the end of a matrix, or in a tensor beside it, would be one of all experts, for which other
  // programs have no place.
  Status check_experts() const {
    for (const LayerSource& layer : source_.layers) {
      for (size_t r = 0; r < kLinearRoles && layer.router; ++r) {
        const LinearSource& linear = layer.linear[r];
        const bool apart = type_ == GgufWeights::kI2S || scale_beside(linear, type_);
        if (is_feed_forward(static_cast<LinearRole>(r)) && apart) {
          return unsupported("tensor '" + linear.tensor + "': " + std::string(gguf_weights_name(type_)) +
                             " has no place for one scale of all experts; a .rotor file has");
        }
      }
    }
    return {};
  }

  // Every tensor of the file in the order it is written.
  std::vector<GgufWriter::Tensor> plan() const {
    std::vector<GgufWriter::Tensor> tensors;
    const auto add = [&](std::string name, uint32_t type, std::vector<uint64_t> dims,
                         uint64_t bytes) {
      tensors.push_back({std::move(name), type, std::move(dims), bytes});
    };
    const auto add_rows = [&](std::string name, const FloatSource& rows) {
      add(std::move(name), float_type_id(rows.type), {rows.cols, rows.rows},
          uint64_t{rows.rows} * float_row_bytes(rows.type, rows.cols));
    };
    const auto add_vector = [&](std::string name, size_t size) {
      add(std::move(name), kGgufF32, {size}, size * sizeof(float));
    };
    add_rows(gguf_names::kEmbed, source_.embed);
    if (!divisors_.empty()) {
      add_vector(gguf_names::kRotaryDivisors, divisors_.size());
    }
    for (size_t i = 0; i < source_.layers.size(); ++i) {
      for (const LayerNorm& norm : layer_norms(source_.config)) {
        add_vector(gguf_names::layer_norm(i, norm.role), norm.size);
      }
      for (size_t r = 0; r < kLinearRoles; ++r) {
        const LinearSource& linear = source_.layers[i].linear[r];
        const LinearRole role = static_cast<LinearRole>(r);
        const size_t matrices = is_feed_forward(role) ? source_.config.stacked() : 1;
        std::vector<uint64_t> dims = {linear.trits->cols(), linear.trits->rows() / matrices};
        if (matrices != 1) {
          dims.push_back(matrices);
        }
        add(name_of(i, role) + ".weight", gguf_weights_id(type_), std::move(dims),
            gguf_weights_bytes(linear, type_));
        if (scale_beside(linear, type_)) {
          add_vector(name_of(i, role) + ".scale", 1);
        }
        if (!linear.input_norm.empty()) {
          add_vector(gguf_names::input_norm(i, role), linear.input_norm.size());
        }
      }
      if (source_.layers[i].router) {
        add_rows(gguf_names::router(i), *source_.layers[i].router);
      }
    }
    add_vector(gguf_names::kOutputNorm, source_.output_norm.size());
    if (source_.head) {
      add_rows(gguf_names::kHead, *source_.head);
    }
    return tensors;
  }

  std::string name_of(size_t layer, LinearRole role) const {
    return gguf_names::linear(layer, role, source_.config.experts != 0);
  }

  Status write_layers() {
    return conversion_.convert_layers(
        [&](size_t i, LinearRole role) {
          return pack_gguf_weights(source_.layers[i].linear[static_cast<size_t>(role)], type_,
                                   allow_rounding_, paired_head_dim(role));
        },
        [&](size_t i, std::span<const PackedMatrix> packed) { return write_layer(i, packed); });
  }

  // Of the matrices whose rows this architecture's files have in another order (model/paired_rows.h);
  // 0 of the others.
  size_t paired_head_dim(LinearRole role) const {
    const bool turned = role == LinearRole::kQ || role == LinearRole::kK;
    return turned && family_of(source_.config).gguf_pairs_rows ? source_.config.head_dim : 0;
  }

  // rope_freqs.weight; empty where the model needs none.
  static std::vector<float> divisors_of(const ModelConfig& c) {
    switch (c.rope_scaling.type) {
      case RopeScalingType::kLlama3:
        return rotary_divisors(in_binary32(c.rope_scaling), static_cast<float>(c.rope_theta),
                               c.head_dim);
      case RopeScalingType::kDivisors: return c.rope_scaling.divisors;
      case RopeScalingType::kNone:
      case RopeScalingType::kLinear:
      case RopeScalingType::kYarn: break;
    }
    return {};
  }

  Status write_layer(size_t i, std::span<const PackedMatrix> packed) {
    for (const LayerNorm& norm : layer_norms(source_.config)) {
      ROTOR_TRY(write_vector(gguf_names::layer_norm(i, norm.role),
                             source_.layers[i].norm(norm.role)));
    }
    for (size_t r = 0; r < kLinearRoles; ++r) {
      const LinearRole role = static_cast<LinearRole>(r);
      ROTOR_TRY(writer_.write(name_of(i, role) + ".weight",
                              std::as_bytes(std::span(packed[r].bytes))));
      if (const auto scale = scale_beside(source_.layers[i].linear[r], type_)) {
        ROTOR_TRY(write_vector(name_of(i, role) + ".scale", {*scale}));
      }
      const std::vector<float>& input_norm = source_.layers[i].linear[r].input_norm;
      if (!input_norm.empty()) {
        ROTOR_TRY(write_vector(gguf_names::input_norm(i, role), input_norm));
      }
    }
    const std::optional<FloatSource>& router = source_.layers[i].router;
    return router ? write_rows(gguf_names::router(i), *router) : Status();
  }

  Status write_vector(const std::string& name, const std::vector<float>& values) {
    return writer_.write(name, std::as_bytes(std::span(values)));
  }

  Status write_rows(const std::string& name, const FloatSource& rows) {
    return conversion_.copy_rows(
        rows, [&](std::span<const std::byte> bytes) { return writer_.write(name, bytes); });
  }

  const ModelSource& source_;
  GgufWeights type_;
  bool allow_rounding_;
  std::vector<float> divisors_ = divisors_of(source_.config);
  Conversion conversion_;
  GgufWriter writer_;
};

}  // namespace

Result<ConvertResult> convert_to_gguf(const ModelSource& source, const std::string& path,
                                      GgufWeights type, bool allow_rounding, ThreadPool& pool,
                                      const ProgressCallback& progress, const CancelFlag* cancel) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    return invalid_argument(path + ": the output is a folder; expected a file name");
  }
  ROTOR_TRY(check_output(source.path, path));
  ConvertResult result;
  Writer writer(source, type, allow_rounding, pool, progress, cancel);
  ROTOR_ASSIGN(GgufWriter file, writer.write(path, result));
  SourceOptions as_written;
  as_written.i2s_layout = I2sLayout::k128;
  ROTOR_ASSIGN(const ModelSource written, gguf_source(file.temporary_path(), as_written));
  const AllowedRounding allowed = {.scales = writer.rounding(), .rope = allow_rounding};
  ROTOR_TRY(
      check_conversion(source, written, result.trits_sha256, allowed, pool, progress, cancel)
          .with_context(path));
  ROTOR_TRY(file.commit());
  return result;
}

}  // namespace rotor
