// SPDX-License-Identifier: Apache-2.0
// The header of a .rotor file is known before any tensor is read, so matrices are packed by the pool
// a few at a time and written in order.
#include "model/rotor_export.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "base/file.h"
#include "io/safetensors_writer.h"
#include "model/rotor_config.h"
#include "model/rotor_names.h"
#include "text/sentencepiece_writer.h"
#include "text/tokenizer_json_writer.h"

namespace rotor {
namespace {

constexpr TernaryFormat kStored = TernaryFormat::kDense243;

DType stored_dtype(FloatType type) {
  switch (type) {
    case FloatType::kF32: return DType::kF32;
    case FloatType::kF16: return DType::kF16;
    case FloatType::kBf16: return DType::kBF16;
    case FloatType::kQ8_0:
    case FloatType::kQ6K:
    case FloatType::kQ4_0:
    case FloatType::kQ4K: break;
  }
  return DType::kU8;
}

// The scales of groups as the file has them, row by row.
Result<std::vector<std::byte>> group_scale_rows(const LinearSource& linear) {
  const GroupShape& shape = linear.scale.group;
  const size_t groups = shape.groups(linear.trits->cols());
  const size_t item = group_scale_type_bytes(shape.type);
  const size_t rows = linear.trits->rows();
  std::vector<std::byte> bytes(row_blocks(rows) * kTileRows * groups * item);
  std::vector<float> scales(kTileRows * groups);
  for (size_t block = 0; block < row_blocks(rows); ++block) {
    ROTOR_TRY(linear.group_scales->read(block, block + 1, scales.data()));
    if (!store_group_scales(shape.type, scales.data(), scales.size(),
                            bytes.data() + block * scales.size() * item)) {
      return Status(Code::kVerificationFailed,
                    "tensor '" + linear.tensor + "', rows from " +
                        std::to_string(block * kTileRows) + ": a scale is no number of " +
                        std::string(group_scale_type_name(shape.type)));
    }
  }
  bytes.resize(rows * groups * item);
  return bytes;
}

Result<PackedMatrix> pack_matrix(const LinearSource& linear) {
  const TritReader& reader = *linear.trits;
  const TernaryFormatInfo& info = format_info(kStored);
  const size_t cols = reader.cols();
  const size_t block_bytes = row_block_bytes(kStored, cols);
  PackedMatrix packed;
  packed.bytes.resize(row_blocks(reader.rows()) * block_bytes);
  std::vector<int8_t> again(kTileRows * cols);
  const auto pack_block = [&](size_t block, size_t, const int8_t* trits) -> Status {
    uint8_t* out = packed.bytes.data() + block * block_bytes;
    info.pack_row_block(trits, cols, cols, out);
    info.unpack_row_block(out, cols, again.data(), cols);
    if (!std::equal(again.begin(), again.end(), trits)) {
      return Status(Code::kVerificationFailed, "tensor '" + linear.tensor + "', rows from " +
                                                   std::to_string(block * kTileRows) +
                                                   ": packing changed the trits");
    }
    return {};
  };
  ROTOR_ASSIGN(packed.sha256, for_each_row_block(reader, pack_block));
  if (linear.scale.grouped()) {
    ROTOR_ASSIGN(packed.scales, group_scale_rows(linear));
  }
  return packed;
}

class Writer {
 public:
  Writer(const ModelSource& source, ThreadPool& pool, const ProgressCallback& progress,
         const CancelFlag* cancel)
      : source_(source), conversion_(source, pool, progress, cancel) {}

  Result<ConvertResult> write(const std::string& path) {
    ROTOR_TRY(prepare_text());
    ROTOR_ASSIGN(writer_, SafetensorsWriter::create(path, plan(), metadata()));
    ROTOR_TRY(write_text());
    ROTOR_TRY(write_layers());
    ROTOR_TRY(write_rows(rotor_names::kEmbed, source_.embed));
    if (source_.head) {
      ROTOR_TRY(write_rows(rotor_names::kHead, *source_.head));
    }
    ConvertResult result;
    result.trits_sha256 = conversion_.trits_sha256();
    ROTOR_TRY(writer_.set_metadata(rotor_names::kTritsKey, result.trits_sha256));
    result.file_bytes = writer_.file_bytes();
    ROTOR_TRY(writer_.commit());
    return result;
  }

 private:
  Status prepare_text() {
    RotorConfig config;
    config.model = source_.config;
    config.embed_type = source_.embed.type;
    config.head_type = source_.head ? source_.head->type : source_.embed.type;
    config.end_of_generation = end_tokens(source_);
    config.generation_defaults = source_.generation_defaults;
    config.notes = source_.notes;
    config_ = write_rotor_config(config);
    if (config_.size() > kMaxRotorConfigBytes) {
      return unsupported(source_.path + ": its configuration (" +
                         std::to_string(config.end_of_generation.size()) + " end tokens) takes " +
                         std::to_string(config_.size()) + " bytes, a .rotor file holds at most " +
                         std::to_string(kMaxRotorConfigBytes));
    }
    if (source_.tokenizer) {
      ROTOR_ASSIGN(tokenizer_, is_sentencepiece(*source_.tokenizer)
                                   ? write_sentencepiece(*source_.tokenizer)
                                   : write_tokenizer_json(*source_.tokenizer));
    }
    return {};
  }

  // Every tensor of the file in the order it is written.
  std::vector<SafetensorsWriter::Tensor> plan() {
    std::vector<SafetensorsWriter::Tensor> tensors;
    const auto add = [&](std::string name, DType dtype, std::vector<uint64_t> shape) {
      tensors.push_back({std::move(name), dtype, std::move(shape)});
    };
    add(rotor_names::kConfig, DType::kU8, {config_.size()});
    if (!tokenizer_.empty()) {
      add(rotor_names::kTokenizer, DType::kU8, {tokenizer_.size()});
    }
    if (!source_.chat_template.empty()) {
      add(rotor_names::kChatTemplate, DType::kU8, {source_.chat_template.size()});
    }
    add(rotor_names::kOutputNorm, DType::kF32, {source_.output_norm.size()});
    for (size_t i = 0; i < source_.layers.size(); ++i) {
      for (const LayerNorm& norm : layer_norms(source_.config)) {
        add(rotor_names::layer_norm(i, norm.role), DType::kF32, {norm.size});
      }
      for (size_t r = 0; r < kLinearRoles; ++r) {
        const LinearRole role = static_cast<LinearRole>(r);
        const LinearSource& linear = source_.layers[i].linear[r];
        if (!linear.input_norm.empty()) {
          add(rotor_names::linear(i, role, "input_norm"), DType::kF32, {linear.input_norm.size()});
        }
        const std::string scale = rotor_names::linear(i, role, "scale");
        if (linear.scale.grouped()) {
          const GroupShape& group = linear.scale.group;
          add(scale, group.type == GroupScaleType::kF16 ? DType::kF16 : DType::kF32,
              {linear.trits->rows(), group.groups(linear.trits->cols())});
        } else {
          add(scale, DType::kF32, {linear.scale.values.size()});
        }
        add(rotor_names::linear(i, role, "weight"), DType::kU8,
            {row_blocks(linear.trits->rows()), row_block_bytes(kStored, linear.trits->cols())});
      }
      if (source_.layers[i].router) {
        add_rows(rotor_names::router(i), *source_.layers[i].router, tensors);
      }
    }
    add_rows(rotor_names::kEmbed, source_.embed, tensors);
    if (source_.head) {
      add_rows(rotor_names::kHead, *source_.head, tensors);
    }
    return tensors;
  }

  static void add_rows(const std::string& name, const FloatSource& rows,
                       std::vector<SafetensorsWriter::Tensor>& tensors) {
    const DType dtype = stored_dtype(rows.type);
    const size_t width = dtype == DType::kU8 ? float_row_bytes(rows.type, rows.cols) : rows.cols;
    tensors.push_back({name, dtype, {rows.rows, width}});
  }

  std::map<std::string, std::string> metadata() const {
    return {{rotor_names::kVersionKey, rotor_names::kVersion},
            {"rotor.converter", "rotor " ROTOR_VERSION},
            {"rotor.source", std::filesystem::path(source_.path).filename().string()},
            {"rotor.source_container", source_.container},
            {rotor_names::kTritsKey, std::string(64, '0')}};
  }

  Status write_text() {
    const auto put = [&](const char* name, const std::string& text) -> Status {
      return text.empty() ? Status() : writer_.write(name, std::as_bytes(std::span(text)));
    };
    ROTOR_TRY(put(rotor_names::kConfig, config_));
    ROTOR_TRY(put(rotor_names::kTokenizer, tokenizer_));
    ROTOR_TRY(put(rotor_names::kChatTemplate, source_.chat_template));
    return write_vector(rotor_names::kOutputNorm, source_.output_norm);
  }

  Status write_vector(const std::string& name, const std::vector<float>& values) {
    return writer_.write(name, std::as_bytes(std::span(values)));
  }

  Status write_layers() {
    return conversion_.convert_layers(
        [&](size_t i, LinearRole role) {
          return pack_matrix(source_.layers[i].linear[static_cast<size_t>(role)]);
        },
        [&](size_t i, std::span<const PackedMatrix> packed) { return write_layer(i, packed); });
  }

  Status write_layer(size_t i, std::span<const PackedMatrix> packed) {
    const LayerSource& layer = source_.layers[i];
    for (const LayerNorm& norm : layer_norms(source_.config)) {
      ROTOR_TRY(write_vector(rotor_names::layer_norm(i, norm.role), layer.norm(norm.role)));
    }
    for (size_t r = 0; r < kLinearRoles; ++r) {
      const LinearRole role = static_cast<LinearRole>(r);
      if (!layer.linear[r].input_norm.empty()) {
        ROTOR_TRY(write_vector(rotor_names::linear(i, role, "input_norm"),
                               layer.linear[r].input_norm));
      }
      const std::vector<float>& values = layer.linear[r].scale.values;
      ROTOR_TRY(writer_.write(rotor_names::linear(i, role, "scale"),
                              layer.linear[r].scale.grouped()
                                  ? std::span<const std::byte>(packed[r].scales)
                                  : std::as_bytes(std::span(values))));
      ROTOR_TRY(writer_.write(rotor_names::linear(i, role, "weight"),
                              std::as_bytes(std::span(packed[r].bytes))));
    }
    return layer.router ? write_rows(rotor_names::router(i), *layer.router) : Status();
  }

  Status write_rows(const std::string& name, const FloatSource& rows) {
    return conversion_.copy_rows(
        rows, [&](std::span<const std::byte> bytes) { return writer_.write(name, bytes); });
  }

  const ModelSource& source_;
  Conversion conversion_;
  SafetensorsWriter writer_;
  std::string config_;
  std::string tokenizer_;
};

}  // namespace

Result<ConvertResult> convert_to_rotor(const ModelSource& source, const std::string& path,
                                       ThreadPool& pool, const ProgressCallback& progress,
                                       const CancelFlag* cancel) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    return invalid_argument(path + ": the output is a folder; expected a file name");
  }
  ROTOR_TRY(check_output(source.path, path));
  Writer writer(source, pool, progress, cancel);
  return writer.write(path);
}

}  // namespace rotor
