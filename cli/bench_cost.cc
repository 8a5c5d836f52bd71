// SPDX-License-Identifier: Apache-2.0
#include "bench_cost.h"

namespace rotor::cli {
namespace {

const Buffer& head_memory(const Weights& weights) {
  return weights.head_plane.rows != 0 ? weights.head_plane.codes : weights.head_matrix().data;
}

double bytes_of(const HeadReads& reads, const Weights& weights) {
  return reads.rows * static_cast<double>(weights.head_matrix().row_bytes()) +
         reads.rests * static_cast<double>(weights.head_plane.rest_bytes());
}

double size_of(const Buffer& buffer) { return static_cast<double>(buffer.size()); }

// What a product reads of a matrix; the few scales of a tensor or of rows are not counted.
double bytes_of(const Linear& linear) {
  const TernaryMatrix& matrix = linear.matrix;
  const size_t scales = matrix.scale.grouped()
                            ? group_scale_bytes(matrix.scale.group, matrix.rows, matrix.cols)
                            : 0;
  return static_cast<double>(matrix.bytes() + scales);
}

// Of the matrices of one layer, in a pass that reads the part `read` of its experts.
double matrix_bytes(const LayerWeights& layer, Verb verb, double read) {
  switch (verb) {
    case Verb::kQkv:
      return bytes_of(layer.q) + bytes_of(layer.k) + bytes_of(layer.v);
    case Verb::kAttnOut: return bytes_of(layer.o);
    case Verb::kRoute: return size_of(layer.router.data);
    case Verb::kFfnGateUp: return read * (bytes_of(layer.gate) + bytes_of(layer.up));
    case Verb::kFfnDown: return read * bytes_of(layer.down);
    default: return 0;
  }
}

double part_read(const ModelConfig& config, size_t rows) {
  return stacked_read(config, rows) / static_cast<double>(config.stacked());
}

// Of all matrices, in a pass of `rows` rows.
double pass_bytes(const Model& model, size_t rows) {
  double bytes = size_of(model.weights.packed);
  if (model.config.experts == 0) {
    return bytes;
  }
  const double read = part_read(model.config, rows);
  for (const LayerWeights& layer : model.weights.layers) {
    bytes += matrix_bytes(layer, Verb::kRoute, read);
    for (const Verb verb : {Verb::kFfnGateUp, Verb::kFfnDown}) {
      bytes += matrix_bytes(layer, verb, read) - matrix_bytes(layer, verb, 1.0);
    }
  }
  return bytes;
}

size_t prompt_passes(const BenchSetting& setting, const BenchTest& test) {
  return (test.prompt + setting.pass_rows - 1) / setting.pass_rows;
}

// Positions that the passes over one sequence's prompt find in the cache, summed up. What a pass
// stores itself comes from caches.
double prompt_positions(const BenchSetting& setting, const BenchTest& test) {
  const auto passes = static_cast<double>(prompt_passes(setting, test));
  const double before = static_cast<double>(setting.pass_rows) * passes * (passes - 1) / 2;
  return passes * static_cast<double>(test.depth) + before;
}

// Positions that the tokens of one sequence's generation see, summed up.
double generation_positions(const BenchTest& test) {
  const auto count = static_cast<double>(test.generate);
  return count * static_cast<double>(test.depth + test.prompt) + count * (count + 1) / 2;
}

}  // namespace

std::vector<std::span<const std::byte>> weight_memory(const Model& model) {
  const Buffer& head = head_memory(model.weights);
  return {{model.weights.packed.data(), model.weights.packed.size()}, {head.data(), head.size()}};
}

double weight_bytes(const Model& model) {
  return size_of(model.weights.packed) + size_of(head_memory(model.weights));
}

double position_bytes(const BenchSetting& setting) {
  const ModelConfig& c = setting.model.config;
  return static_cast<double>(c.layers * 2 * c.kv_heads * kv_vector_bytes(setting.kv, c.head_dim));
}

double test_bytes(const BenchSetting& setting, const BenchTest& test, const HeadReads& reads) {
  const Weights& weights = setting.model.weights;
  const auto sequences = static_cast<double>(test.batch);
  const auto steps = static_cast<double>(test.generate);
  const double prompts = test.prompt > 0 ? sequences : 0;  // each computes the last one's logits
  const double passes = sequences * static_cast<double>(prompt_passes(setting, test));
  const double positions = prompt_positions(setting, test) + generation_positions(test);
  return passes * pass_bytes(setting.model, setting.pass_rows) +
         steps * pass_bytes(setting.model, test.batch) + (prompts + steps) * size_of(head_memory(weights)) +
         (prompts + sequences * steps) * bytes_of(reads, weights) +
         sequences * positions * position_bytes(setting);
}

double verb_bytes(const BenchSetting& setting, const BenchTest& test, Verb verb,
                  const HeadReads& reads) {
  const Weights& weights = setting.model.weights;
  const bool prompt = test.prompt > 0;
  const auto sequences = static_cast<double>(test.batch);
  const double passes = prompt ? static_cast<double>(prompt_passes(setting, test))
                               : static_cast<double>(test.generate);
  if (verb == Verb::kAttend) {
    const double positions =
        prompt ? prompt_positions(setting, test) : sequences * generation_positions(test);
    return positions * position_bytes(setting) / passes;
  }
  if (verb == Verb::kLogits) {
    const double rows = bytes_of(reads, weights);
    return prompt ? (size_of(head_memory(weights)) + rows) / passes
                  : size_of(head_memory(weights)) + sequences * rows;
  }
  double bytes = 0;
  const double read = part_read(setting.model.config, prompt ? setting.pass_rows : test.batch);
  for (const LayerWeights& layer : weights.layers) {
    bytes += matrix_bytes(layer, verb, read);
  }
  return bytes;
}

double test_operations(const ModelConfig& config, const BenchTest& test) {
  return 2.0 * static_cast<double>(parameters_of_token(config)) * static_cast<double>(test.tokens());
}

}  // namespace rotor::cli
