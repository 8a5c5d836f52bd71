// SPDX-License-Identifier: Apache-2.0
// Reading an adapter: names first, then shapes, then one buffer for all of it, then its numbers.
#include "model/lora.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <span>
#include <utility>

#include "base/file.h"
#include "base/round_up.h"
#include "io/quote_name.h"
#include "model/hf_names.h"
#include "model/model_source.h"
#include "model/not_finite.h"

namespace rotor {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "base_model.model.";
constexpr std::string_view kA = ".lora_A.weight";
constexpr std::string_view kB = ".lora_B.weight";
constexpr const char* kConfigFile = "adapter_config.json";
constexpr const char* kTensorsFile = "adapter_model.safetensors";
constexpr uint64_t kMaxConfigBytes = uint64_t{16} << 20;

// The tensors of one matrix, in the file.
struct Pair {
  std::string path;  // as the adapter's own config calls it: "model.layers.3.mlp.up_proj"
  const SafetensorsTensor* a = nullptr;
  const SafetensorsTensor* b = nullptr;
};
using Place = std::pair<size_t, LinearRole>;

std::map<std::string, Place> places_of(const ModelConfig& model) {
  std::map<std::string, Place> places;
  for (size_t layer = 0; layer < model.layers; ++layer) {
    for (size_t r = 0; r < kLinearRoles; ++r) {
      const LinearRole role = static_cast<LinearRole>(r);
      if (model.experts != 0 && is_feed_forward(role)) {
        continue;
      }
      places.emplace(hf_names::linear(layer, role), Place(layer, role));
    }
  }
  return places;
}

Status wrong_tensor(const SafetensorsFile& file, const SafetensorsTensor& tensor,
                    const std::string& what) {
  return unsupported(file.file().path() + ": tensor " + quote_name(tensor.name) + ": " + what);
}

Result<std::map<Place, Pair>> find_pairs(const SafetensorsFile& file, const ModelConfig& model) {
  const std::map<std::string, Place> places = places_of(model);
  std::map<Place, Pair> pairs;
  for (const SafetensorsTensor& tensor : file.tensors()) {
    std::string_view path = tensor.name;
    const bool is_a = path.ends_with(kA);
    if (!path.starts_with(kPrefix) || (!is_a && !path.ends_with(kB))) {
      return wrong_tensor(file, tensor, "is no part of a plain LoRA");
    }
    path.remove_prefix(kPrefix.size());
    path.remove_suffix(std::min(path.size(), (is_a ? kA : kB).size()));
    const bool whole = path.starts_with(hf_names::kPrefix);  // a model that was saved with its head
    const auto place = places.find(std::string(path.substr(whole ? hf_names::kPrefix.size() : 0)));
    if (place == places.end() && model.experts != 0 && path.find(".mlp.") != path.npos) {
      return wrong_tensor(file, tensor, "adapters of experts, or of what chooses them, are not supported");
    }
    if (place == places.end()) {
      return wrong_tensor(file, tensor,
                          "stands beside no q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj or "
                          "down_proj of the model's " + std::to_string(model.layers) + " layers");
    }
    Pair& pair = pairs[place->second];
    const SafetensorsTensor*& side = is_a ? pair.a : pair.b;
    if (side != nullptr) {
      return format_error(file.file().path() + ": tensor " + quote_name(tensor.name) +
                          " is there twice, with and without \"model.\"");
    }
    side = &tensor;
    pair.path = std::string(path);
  }
  if (pairs.empty()) {
    return format_error(file.file().path() + ": no tensors");
  }
  return pairs;
}

Result<FloatType> type_of(const SafetensorsFile& file, const SafetensorsTensor& tensor) {
  switch (tensor.dtype) {
    case DType::kF32: return FloatType::kF32;
    case DType::kF16: return FloatType::kF16;
    case DType::kBF16: return FloatType::kBf16;
    default: break;
  }
  return format_error(file.file().path() + ": tensor " + quote_name(tensor.name) +
                      ": expected F32, F16 or BF16, got " + std::string(dtype_name(tensor.dtype)));
}

// A pair that fits itself, its config and the model; pointers are still missing.
Result<LowRank> check_pair(const LoraConfig& config, const SafetensorsFile& file, const Pair& pair,
                           const MatrixShape& shape) {
  const std::string where = file.file().path() + ": " + pair.path;
  if (pair.a == nullptr || pair.b == nullptr) {
    return format_error(where + " has " + (pair.a != nullptr ? "lora_A" : "lora_B") + " alone");
  }
  LowRank low;
  ROTOR_ASSIGN(low.a_type, type_of(file, *pair.a));
  ROTOR_ASSIGN(low.b_type, type_of(file, *pair.b));
  const std::vector<uint64_t>& a = pair.a->shape;
  const std::vector<uint64_t>& b = pair.b->shape;
  if (a.size() != 2 || b.size() != 2 || a[0] != b[1]) {
    return format_error(where + ": expected A (r, in) and B (out, r), got " + shape_text(a) +
                        " and " + shape_text(b));
  }
  if (a[1] != shape.cols || b[0] != shape.rows) {
    return invalid_argument(where + ": the model needs A (r, " + std::to_string(shape.cols) +
                            ") and B (" + std::to_string(shape.rows) + ", r), got " +
                            shape_text(a) + " and " + shape_text(b) +
                            "; the adapter is of another model");
  }
  low.rows = shape.rows;
  low.rank = config.rank_of(pair.path);
  if (a[0] != low.rank) {
    return format_error(where + ": " + kConfigFile + " says rank " + std::to_string(low.rank) +
                        ", the tensors have " + std::to_string(a[0]));
  }
  low.scaling = config.scaling_of(pair.path);
  if (!std::isfinite(static_cast<float>(low.scaling))) {
    return format_error(where + ": lora_alpha is too large");
  }
  return low;
}

Status read_tensor(const SafetensorsFile& file, const SafetensorsTensor& tensor, FloatType type,
                   std::span<std::byte> bytes) {
  ROTOR_TRY(file.read(tensor, 0, bytes));
  const size_t item = float_row_bytes(type, 1);
  const size_t wrong = first_not_finite(type, bytes);
  if (wrong != bytes.size() / item) {
    return format_error(file.file().path() + ": tensor " + quote_name(tensor.name) +
                        " is infinite or NaN at byte " +
                        std::to_string(tensor.offset + wrong * item));
  }
  return {};
}

// (rows, cols) to (cols, rows), of items of that many bytes.
void turn(std::span<const std::byte> matrix, size_t rows, size_t cols, size_t item, std::byte* out) {
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < cols; ++c) {
      std::memcpy(out + (c * rows + r) * item, matrix.data() + (r * cols + c) * item, item);
    }
  }
}

}  // namespace

Result<std::shared_ptr<const LoraAdapter>> LoraAdapter::open(const std::string& folder,
                                                             const ModelConfig& model) {
  const std::string config_path = fs::path(folder) / kConfigFile;
  Result<std::string> json = read_text_file(config_path, kMaxConfigBytes);
  if (json.status().code() == Code::kNotFound) {
    return not_found(folder + ": expected a folder with " + kConfigFile + " and " + kTensorsFile +
                     ", as PEFT's save_pretrained() writes it");
  }
  ROTOR_TRY(json.status());
  ROTOR_ASSIGN(const LoraConfig config, parse_lora_config(*json, config_path));
  ROTOR_ASSIGN(const SafetensorsFile tensors,
               SafetensorsFile::open(fs::path(folder) / kTensorsFile));
  return read(config, tensors, model);
}

Result<std::shared_ptr<const LoraAdapter>> LoraAdapter::read(const LoraConfig& config,
                                                             const SafetensorsFile& tensors,
                                                             const ModelConfig& model) {
  using Pairs = std::map<Place, Pair>;
  ROTOR_ASSIGN(const Pairs pairs, find_pairs(tensors, model));
  const std::shared_ptr<LoraAdapter> adapter(new LoraAdapter);
  adapter->model_ = model;
  adapter->layers_.resize(model.layers);
  size_t bytes = 0;  // little more than the file's, which holds every tensor
  for (const auto& [place, pair] : pairs) {
    LowRank& low = adapter->layers_[place.first][static_cast<size_t>(place.second)];
    ROTOR_ASSIGN(low, check_pair(config, tensors, pair, linear_shape(model, place.second)));
    adapter->most_rank_ = std::max(adapter->most_rank_, low.rank);
    bytes += round_up(pair.a->bytes, 64) + round_up(pair.b->bytes, 64);
  }
  ROTOR_ASSIGN(adapter->memory_, Buffer::allocate(bytes));
  std::byte* next = adapter->memory_.data();
  std::vector<std::byte> b;
  for (const auto& [place, pair] : pairs) {
    LowRank& low = adapter->layers_[place.first][static_cast<size_t>(place.second)];
    low.a = next;
    ROTOR_TRY(read_tensor(tensors, *pair.a, low.a_type, {next, pair.a->bytes}));
    next += round_up(pair.a->bytes, 64);
    b.resize(pair.b->bytes);
    ROTOR_TRY(read_tensor(tensors, *pair.b, low.b_type, b));
    low.b = next;
    turn(b, low.rows, low.rank, float_row_bytes(low.b_type, 1), next);
    next += round_up(pair.b->bytes, 64);
  }
  return std::shared_ptr<const LoraAdapter>(adapter);
}

bool LoraAdapter::fits(const ModelConfig& model) const {
  return model.layers == model_.layers && model.hidden == model_.hidden && model.ffn == model_.ffn &&
         model.experts == model_.experts &&
         model.q_rows() == model_.q_rows() && model.kv_rows() == model_.kv_rows();
}

Status check_lora(const LoraSet& set, const ModelConfig& model) {
  for (size_t i = 0; i < set.size(); ++i) {
    const std::string which = "lora " + std::to_string(i) + ": ";
    if (set[i].adapter == nullptr) {
      return invalid_argument(which + "no adapter");
    }
    if (!std::isfinite(set[i].scale)) {
      return invalid_argument(which + "expected a finite scale, got " + std::to_string(set[i].scale));
    }
    if (!set[i].adapter->fits(model)) {
      return invalid_argument(which + "the adapter is of another model");
    }
  }
  return {};
}

}  // namespace rotor
