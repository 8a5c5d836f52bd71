// SPDX-License-Identifier: Apache-2.0
// The header of a .rotor file is known before any tensor is read, so matrices are packed by the pool
// a few at a time and written in order.
#include "model/convert.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <utility>

#include "base/file.h"
#include "base/sha256.h"
#include "io/safetensors_writer.h"
#include "model/loader.h"
#include "model/rotor_config.h"
#include "model/rotor_names.h"
#include "model/trit_hash.h"
#include "text/sentencepiece_writer.h"
#include "text/tokenizer_json_writer.h"

namespace rotor {
namespace {

constexpr TernaryFormat kStored = TernaryFormat::kDense243;
constexpr size_t kChunkBytes = size_t{1} << 20;

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

// Every token known to end an answer: tokenizer.json has no place for those that the tokenizer
// knows by id alone.
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

// A matrix in its stored form.
struct PackedMatrix {
  std::vector<uint8_t> bytes;
  std::string sha256;  // of its trits
  std::vector<std::byte> group_scales;  // (rows, groups), or none
};

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
  const size_t blocks = row_blocks(reader.rows());
  PackedMatrix packed;
  packed.bytes.resize(blocks * block_bytes);
  std::vector<int8_t> trits(kTileRows * cols);
  std::vector<int8_t> again(kTileRows * cols);
  Sha256 hash;
  for (size_t block = 0; block < blocks; ++block) {
    ROTOR_TRY(reader.read(block, block + 1, trits.data()));
    uint8_t* out = packed.bytes.data() + block * block_bytes;
    info.pack_row_block(trits.data(), cols, cols, out);
    info.unpack_row_block(out, cols, again.data(), cols);
    if (trits != again) {
      return Status(Code::kVerificationFailed, "tensor '" + linear.tensor + "', rows from " +
                                                   std::to_string(block * kTileRows) +
                                                   ": packing changed the trits");
    }
    const size_t rows = std::min(kTileRows, reader.rows() - block * kTileRows);
    hash.update(std::as_bytes(std::span(trits).first(rows * cols)));
  }
  packed.sha256 = hash.hex();
  if (linear.scale.grouped()) {
    ROTOR_ASSIGN(packed.group_scales, group_scale_rows(linear));
  }
  return packed;
}

class Writer {
 public:
  Writer(const ModelSource& source, ThreadPool& pool, const ProgressCallback& progress,
         const CancelFlag* cancel)
      : source_(source), pool_(pool), progress_(progress), cancel_(cancel) {}

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
    result.trits_sha256 = trits_.hex();
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
    }
    add_rows(rotor_names::kEmbed, source_.embed, tensors);
    if (source_.head) {
      add_rows(rotor_names::kHead, *source_.head, tensors);
    }
    return tensors;
  }

  static void add_rows(const char* name, const FloatSource& rows,
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

  Status check_cancel() const {
    return cancel_ != nullptr && cancel_->cancelled() ? Status(Code::kCancelled, "cancelled")
                                                      : Status();
  }

  Status write_layers() {
    const size_t matrices = source_.layers.size() * kLinearRoles;
    std::vector<PackedMatrix> packed(kLinearRoles);
    for (size_t i = 0; i < source_.layers.size(); ++i) {
      ROTOR_TRY(check_cancel());
      const LayerSource& layer = source_.layers[i];
      ROTOR_TRY(for_each_task(
          pool_, kLinearRoles,
          [&](size_t r) -> Status {
            ROTOR_ASSIGN(packed[r], pack_matrix(layer.linear[r]));
            return {};
          },
          [](size_t) {}));
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
                                    ? std::span<const std::byte>(packed[r].group_scales)
                                    : std::as_bytes(std::span(values))));
        ROTOR_TRY(writer_.write(rotor_names::linear(i, role, "weight"),
                                std::as_bytes(std::span(packed[r].bytes))));
        trits_.update(std::as_bytes(std::span(packed[r].sha256)));
      }
      if (progress_) {
        progress_("converting", (i + 1) * kLinearRoles, matrices);
      }
    }
    return {};
  }

  Status write_rows(const char* name, const FloatSource& rows) {
    const size_t row_bytes = float_row_bytes(rows.type, rows.cols);
    const size_t step = std::max<size_t>(1, kChunkBytes / row_bytes);
    std::vector<std::byte> chunk(step * row_bytes);
    for (size_t begin = 0; begin < rows.rows; begin += step) {
      ROTOR_TRY(check_cancel());
      const size_t end = std::min(rows.rows, begin + step);
      ROTOR_TRY(rows.reader->read(begin, end, chunk.data()));
      ROTOR_TRY(writer_.write(name, std::span(chunk).first((end - begin) * row_bytes)));
      if (progress_) {
        progress_("writing embedding", end, rows.rows);
      }
    }
    return {};
  }

  const ModelSource& source_;
  ThreadPool& pool_;
  const ProgressCallback& progress_;
  const CancelFlag* cancel_;
  SafetensorsWriter writer_;
  Sha256 trits_;
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
