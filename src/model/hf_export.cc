// SPDX-License-Identifier: Apache-2.0
// The tensors of a file are ordered by the width of their elements, widest first, so that each starts at
// a multiple of it: readers map them as they lie.
#include "model/hf_export.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <optional>
#include <utility>

#include "base/atomic_folder.h"
#include "base/file.h"
#include "base/half.h"
#include "io/safetensors_writer.h"
#include "io/trit_packing.h"
#include "kernels/kernels.h"
#include "model/conversion_check.h"
#include "model/float_rows.h"
#include "model/hf_config_writer.h"
#include "model/hf_names.h"
#include "model/hf_source.h"
#include "text/sentencepiece_json.h"
#include "text/sentencepiece_writer.h"
#include "text/tokenizer_json_writer.h"

namespace rotor {
namespace {

namespace fs = std::filesystem;

DType dtype_of(FloatType type) {
  return type == FloatType::kBf16 ? DType::kBF16 : type == FloatType::kF16 ? DType::kF16 : DType::kF32;
}

// The type a float tensor is written in: its own, or binary32, which holds every number of the types
// with blocks.
FloatType written_type(FloatType type) { return is_plain_float(type) ? type : FloatType::kF32; }

bool holds(FloatType type, const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [type](float value) {
    return type == FloatType::kF32 ||
           (type == FloatType::kBf16 ? bf16_to_float(float_to_bf16(value))
                                     : f16_to_float(float_to_f16(value))) == value;
  });
}

std::vector<std::byte> encode(FloatType type, const std::vector<float>& values) {
  if (type == FloatType::kF32) {
    const auto bytes = std::as_bytes(std::span(values));
    return {bytes.begin(), bytes.end()};
  }
  std::vector<std::byte> bytes(values.size() * sizeof(uint16_t));
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t half =
        type == FloatType::kBf16 ? float_to_bf16(values[i]) : float_to_f16(values[i]);
    std::memcpy(bytes.data() + i * sizeof(half), &half, sizeof(half));
  }
  return bytes;
}

// The number of `type` that stands for the scale of a matrix and divides; none where no number gives
// exactly that scale.
std::optional<float> divisor_of(FloatType type, float scale) {
  const float inverse = 1.0f / scale;
  const float divisor = type == FloatType::kF32    ? inverse
                        : type == FloatType::kBf16 ? bf16_to_float(float_to_bf16(inverse))
                                                   : f16_to_float(float_to_f16(inverse));
  return std::isfinite(divisor) && 1.0f / divisor == scale ? std::optional<float>(divisor)
                                                           : std::nullopt;
}

// Scales multiply, unless numbers of `type` can say them by dividing alone, as in the models whose scales
// were stored so.
HfScale scale_rule(const ModelSource& source, FloatType type) {
  const auto all = [&](auto holds_scale) {
    return std::all_of(source.layers.begin(), source.layers.end(), [&](const LayerSource& layer) {
      return std::all_of(std::begin(layer.linear), std::end(layer.linear),
                         [&](const LinearSource& l) { return holds_scale(l.scale.values[0]); });
    });
  };
  const bool multiplies = all([&](float scale) { return holds(type, {scale}); });
  const bool divides = all([&](float scale) { return divisor_of(type, scale).has_value(); });
  return multiplies || !divides ? HfScale::kMultiplies : HfScale::kDivides;
}

// A tensor of a file: rows that are copied, or bytes; a packed matrix has neither, it comes later.
struct Item {
  SafetensorsWriter::Tensor tensor;
  const FloatSource* rows = nullptr;
  std::vector<std::byte> bytes;

  uint64_t bytes_in_file() const {
    uint64_t bytes = dtype_bits(tensor.dtype) / 8;
    for (const uint64_t dimension : tensor.shape) {
      bytes *= dimension;
    }
    return bytes;
  }
};

struct Shard {
  std::vector<Item> items;
  size_t end_layer = 0;  // its matrices are of layers below this, and above the shard's before
  uint64_t bytes = 0;
};

class Writer {
 public:
  Writer(const ModelSource& source, std::string folder, ThreadPool& pool,
         const ProgressCallback& progress, const CancelFlag* cancel)
      : source_(source), folder_(std::move(folder)), dtype_(written_type(source.embed.type)),
        scale_(scale_rule(source, dtype_)), conversion_(source, pool, progress, cancel) {}

  Status write(uint64_t shard_bytes, ConvertResult& result) {
    plan(shard_bytes);
    ROTOR_TRY(write_json(result));
    ROTOR_TRY(open_shard(0));
    ROTOR_TRY(conversion_.convert_layers(
        [&](size_t i, LinearRole role) {
          return pack_matrix(source_.layers[i].linear[static_cast<size_t>(role)]);
        },
        [&](size_t i, std::span<const PackedMatrix> packed) { return write_layer(i, packed); }));
    ROTOR_TRY(close_shards(shards_.size()));
    result.trits_sha256 = conversion_.trits_sha256();
    result.file_bytes = bytes_;
    if (wide_ > 0) {
      result.notes.push_back(fmt::format(
          "{} norms and scales are no numbers of {} and are stored as float32; transformers, which "
          "computes in {} here, rounds them", wide_, hf_dtype_name(dtype_), hf_dtype_name(dtype_)));
    }
    return {};
  }

 private:
  static Result<PackedMatrix> pack_matrix(const LinearSource& linear) {
    const size_t rows = linear.trits->rows();
    const size_t cols = linear.trits->cols();
    PackedMatrix packed;
    packed.bytes.resize((rows + 3) / 4 * cols);
    const auto pack = [&](size_t block, size_t count, const int8_t* trits) -> Status {
      for (size_t r = 0; r < count; ++r) {
        pack_hf_row(trits + r * cols, block * kTileRows + r, rows, cols, packed.bytes.data());
      }
      return {};
    };
    ROTOR_ASSIGN(packed.sha256, for_each_row_block(*linear.trits, pack));
    return packed;
  }

  // Parts of the model that stay in one file: the embedding, each layer, the end.
  void plan(uint64_t shard_bytes) {
    shards_.emplace_back();
    add_part({rows_item(std::string(hf_names::kPrefix) + hf_names::embed(family_of(source_.config)), source_.embed)}, 0, shard_bytes);
    for (size_t i = 0; i < source_.layers.size(); ++i) {
      add_part(layer_items(i), i + 1, shard_bytes);
    }
    std::vector<Item> end;
    end.push_back(vector_item(std::string(hf_names::kPrefix) + hf_names::kOutputNorm, source_.output_norm));
    if (source_.head) {
      end.push_back(rows_item(hf_names::kHead, *source_.head));
    }
    add_part(std::move(end), source_.layers.size(), shard_bytes);
    for (Shard& shard : shards_) {
      std::stable_sort(shard.items.begin(), shard.items.end(), [](const Item& a, const Item& b) {
        return dtype_bits(a.tensor.dtype) > dtype_bits(b.tensor.dtype);
      });
    }
  }

  void add_part(std::vector<Item> items, size_t end_layer, uint64_t shard_bytes) {
    uint64_t bytes = 0;
    for (const Item& item : items) {
      bytes += item.bytes_in_file();
    }
    if (!shards_.back().items.empty() && shards_.back().bytes + bytes > shard_bytes) {
      shards_.emplace_back();
    }
    Shard& shard = shards_.back();
    std::move(items.begin(), items.end(), std::back_inserter(shard.items));
    shard.bytes += bytes;
    shard.end_layer = end_layer;
  }

  std::vector<Item> layer_items(size_t i) {
    const std::string prefix(hf_names::kPrefix);
    std::vector<Item> items;
    for (const LayerNorm& norm : layer_norms(source_.config)) {
      items.push_back(vector_item(prefix + hf_names::layer_norm(family_, i, norm.role),
                                  source_.layers[i].norm(norm.role)));
    }
    for (size_t r = 0; r < kLinearRoles; ++r) {
      const LinearSource& linear = source_.layers[i].linear[r];
      const std::string name = prefix + hf_names::linear(i, static_cast<LinearRole>(r));
      const float scale = linear.scale.values[0];
      items.push_back(vector_item(
          name + ".weight_scale",
          {scale_ == HfScale::kDivides ? *divisor_of(dtype_, scale) : scale}));
      if (!linear.input_norm.empty()) {
        items.push_back(vector_item(name + hf_names::kInputNorm, linear.input_norm));
      }
      items.push_back({{name + ".weight", DType::kU8,
                        {(linear.trits->rows() + 3) / 4, linear.trits->cols()}}, nullptr, {}});
    }
    return items;
  }

  Item vector_item(std::string name, const std::vector<float>& values) {
    const FloatType type = holds(dtype_, values) ? dtype_ : FloatType::kF32;
    wide_ += type == dtype_ ? 0 : 1;
    return {{std::move(name), dtype_of(type), {values.size()}}, nullptr, encode(type, values)};
  }

  static Item rows_item(std::string name, const FloatSource& rows) {
    return {{std::move(name), dtype_of(written_type(rows.type)), {rows.rows, rows.cols}}, &rows, {}};
  }

  std::string file_name(size_t shard) const {
    return shards_.size() == 1 ? "model.safetensors"
                               : fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1,
                                             shards_.size());
  }

  // Begins a file and writes all of it but the matrices.
  Status open_shard(size_t index) {
    const Shard& shard = shards_[index];
    std::vector<SafetensorsWriter::Tensor> tensors;
    for (const Item& item : shard.items) {
      tensors.push_back(item.tensor);
    }
    ROTOR_ASSIGN(writer_, SafetensorsWriter::create(folder_ + "/" + file_name(index),
                                                    std::move(tensors), {{"format", "pt"}},
                                                    SafetensorsWriter::Kind::kPlain));
    for (const Item& item : shard.items) {
      if (item.rows != nullptr) {
        ROTOR_TRY(write_rows(item));
      } else if (item.tensor.dtype != DType::kU8) {
        ROTOR_TRY(writer_.write(item.tensor.name, item.bytes));
      }
    }
    open_ = index;
    return {};
  }

  // Ends the open file, and those after it up to `end`.
  Status close_shards(size_t end) {
    while (open_ < end) {
      bytes_ += writer_.file_bytes();
      ROTOR_TRY(writer_.commit());
      if (open_ + 1 == shards_.size()) {
        break;
      }
      ROTOR_TRY(open_shard(open_ + 1));
    }
    return {};
  }

  Status write_layer(size_t i, std::span<const PackedMatrix> packed) {
    while (i >= shards_[open_].end_layer) {
      ROTOR_TRY(close_shards(open_ + 1));
    }
    for (size_t r = 0; r < kLinearRoles; ++r) {
      const std::string name = hf_names::linear(i, static_cast<LinearRole>(r)) + ".weight";
      ROTOR_TRY(writer_.write(std::string(hf_names::kPrefix) + name,
                              std::as_bytes(std::span(packed[r].bytes))));
    }
    return {};
  }

  // Numbers of a type with blocks become binary32.
  Status write_rows(const Item& item) {
    const FloatSource& rows = *item.rows;
    ROTOR_ASSIGN(const IsaLevel isa, selected_isa());
    const FromF16 from_f16 = kernel_table(isa).from_f16;
    const size_t row_bytes = float_row_bytes(rows.type, rows.cols);
    std::vector<float> values(rows.cols);
    return conversion_.copy_rows(rows, [&](std::span<const std::byte> bytes) -> Status {
      if (is_plain_float(rows.type)) {
        return writer_.write(item.tensor.name, bytes);
      }
      for (size_t at = 0; at < bytes.size(); at += row_bytes) {
        decode_row(rows.type, bytes.data() + at, rows.cols, from_f16, values.data());
        ROTOR_TRY(writer_.write(item.tensor.name, std::as_bytes(std::span(values))));
      }
      return {};
    });
  }

  Status write_json(ConvertResult& result) {
    const std::vector<TokenId> ends = end_tokens(source_);
    ROTOR_TRY(write_text("config.json", write_hf_config(source_, dtype_, scale_, ends)));
    ROTOR_TRY(write_text("generation_config.json", write_generation_config(source_, ends)));
    if (source_.config.pooling != Pooling::kUnstated) {
      ROTOR_TRY(write_pooling());
    }
    if (source_.tokenizer) {
      ROTOR_TRY(write_tokenizer(*source_.tokenizer));
    } else {
      result.notes.push_back("the model has no tokenizer, so the folder has none");
    }
    if (source_.tokenizer || !source_.chat_template.empty()) {
      ROTOR_TRY(write_text("tokenizer_config.json", write_tokenizer_config(source_)));
    }
    return shards_.size() == 1 ? Status() : write_index();
  }

  Status write_pooling() {
    const std::string folder = folder_ + "/1_Pooling";
    std::error_code error;
    if (!fs::create_directory(folder, error)) {
      return io_error(folder + ": cannot create: " + error.message());
    }
    return write_text("1_Pooling/config.json", write_pooling_config(source_.config));
  }

  // One by SentencePiece's rules in both of its forms: transformers takes tokenizer.json, programs that
  // use the sentencepiece library, and Rotor, tokenizer.model.
  Status write_tokenizer(const TokenizerSpec& spec) {
    if (!is_sentencepiece(spec)) {
      ROTOR_ASSIGN(const std::string text, write_tokenizer_json(spec));
      return write_text("tokenizer.json", text);
    }
    ROTOR_ASSIGN(const TokenizerSpec as_json, sentencepiece_as_json(spec));
    ROTOR_ASSIGN(const std::string text, write_tokenizer_json(as_json));
    ROTOR_TRY(write_text("tokenizer.json", text));
    ROTOR_ASSIGN(const std::string model, write_sentencepiece(spec));
    return write_text("tokenizer.model", model);
  }

  Status write_index() {
    boost::json::object weights;
    uint64_t total = 0;
    for (size_t i = 0; i < shards_.size(); ++i) {
      total += shards_[i].bytes;
      for (const Item& item : shards_[i].items) {
        weights[item.tensor.name] = file_name(i);
      }
    }
    const boost::json::object index = {{"metadata", {{"total_size", total}}},
                                       {"weight_map", std::move(weights)}};
    return write_text("model.safetensors.index.json", boost::json::serialize(index) + "\n");
  }

  Status write_text(const char* name, const std::string& text) {
    ROTOR_ASSIGN(AtomicFile file, AtomicFile::create(folder_ + "/" + name));
    ROTOR_TRY(file.write(std::as_bytes(std::span(text))));
    bytes_ += text.size();
    return file.commit();
  }

  const ModelSource& source_;
  const Family& family_ = family_of(source_.config);
  std::string folder_;
  FloatType dtype_;
  HfScale scale_;
  Conversion conversion_;
  std::vector<Shard> shards_;
  SafetensorsWriter writer_;
  size_t open_ = 0;     // the shard that writer_ writes
  size_t wide_ = 0;     // tensors that dtype_ does not hold
  uint64_t bytes_ = 0;  // of complete files
};

Status check_model(const ModelSource& source) {
  ROTOR_TRY(check_family_layers(source.config, "Hugging Face"));
  if (source.config.experts != 0) {
    return unsupported("Hugging Face: no packed form of experts is known; a GGUF or .rotor file can hold them");
  }
  if (source.config.rope_scaling.type == RopeScalingType::kDivisors) {
    return unsupported("Hugging Face: config.json has no name for a rotary scaling of a divisor for each "
                       "frequency (rope_freqs.weight); a .rotor file can hold it, or GGUF");
  }
  for (const LayerSource& layer : source.layers) {
    for (const LinearSource& linear : layer.linear) {
      if (linear.scale.granularity != TernaryScale::Granularity::kTensor) {
        return unsupported("Hugging Face's packed weights have one scale a matrix; tensor '" +
                           linear.tensor + "' has " + scale_rule_text(linear.scale) +
                           "; a .rotor file can hold it, or GGUF's q2_0");
      }
      if (!(linear.scale.values[0] > 0.0f)) {
        return unsupported("Hugging Face's packed weights have a scale above zero; that of tensor '" +
                           linear.tensor + "' is " + std::to_string(linear.scale.values[0]));
      }
    }
  }
  return {};
}

// What transformers, other than Rotor, does not read.
void add_notes(const ModelConfig& c, std::vector<std::string>& notes) {
  if (c.family == "bitnet" && c.q_rows() != c.hidden) {
    notes.push_back("transformers reads BitNet models only where the heads together are as wide as the "
                    "hidden state");
  }
  if (c.q_rows() % 4 != 0 || c.kv_rows() % 4 != 0 || c.hidden % 4 != 0 || c.ffn % 4 != 0) {
    notes.push_back("transformers reads packed matrices only where their rows are a multiple of 4");
  }
}

}  // namespace

Result<ConvertResult> convert_to_hf(const ModelSource& source, const std::string& path,
                                    uint64_t shard_bytes, ThreadPool& pool,
                                    const ProgressCallback& progress, const CancelFlag* cancel) {
  ROTOR_TRY(check_output(source.path, path));
  ROTOR_TRY(check_model(source));
  ROTOR_ASSIGN(AtomicFolder folder, AtomicFolder::create(path));
  ConvertResult result;
  add_notes(source.config, result.notes);
  Writer writer(source, folder.temporary_path(), pool, progress, cancel);
  ROTOR_TRY(writer.write(shard_bytes, result));
  ROTOR_ASSIGN(const ModelSource written, hf_source(folder.temporary_path()));
  ROTOR_TRY(
      check_conversion(source, written, result.trits_sha256, {}, pool, progress, cancel)
          .with_context(path));
  ROTOR_TRY(folder.commit());
  return result;
}

}  // namespace rotor
