// SPDX-License-Identifier: Apache-2.0
#include "model/memory_plan.h"

#include "model/loader.h"

namespace rotor {
namespace {

uint64_t float_bytes(const FloatSource& source) {
  return uint64_t{source.rows} * float_row_bytes(source.type, source.cols);
}

uint64_t embedding_and_head_bytes(const ModelSource& source, HeadMode mode) {
  const FloatSource& head = source.head ? *source.head : source.embed;
  if (in_two_stages(mode, float_bytes(head), head.cols)) {
    return HeadPlane::bytes(head.rows, head.cols);
  }
  return float_bytes(source.embed) + (source.head ? float_bytes(*source.head) : 0);
}

}  // namespace

MemoryPlan plan_memory(const ModelSource& source, TernaryFormat format, KvType kv, HeadMode head) {
  MemoryPlan plan;
  const ModelConfig& c = source.config;
  plan.embedding_bytes = embedding_and_head_bytes(source, head);
  plan.norm_bytes = source.output_norm.size() * sizeof(float);
  for (const LayerSource& layer : source.layers) {
    for (size_t r = 0; r < kLinearRoles; ++r) {
      const uint64_t bytes = matrix_bytes(c, layer.linear[r], format);
      plan.ternary_bytes += bytes;
      plan.expert_bytes += layer.router && is_feed_forward(static_cast<LinearRole>(r)) ? bytes : 0;
    }
    plan.router_bytes += layer.router ? float_bytes(*layer.router) : 0;
    for (const LayerNorm& norm : layer_norms(source.config)) {
      plan.norm_bytes += layer.norm(norm.role).size() * sizeof(float);
    }
    for (const LinearSource& linear : layer.linear) {
      plan.norm_bytes += linear.input_norm.size() * sizeof(float);
    }
  }
  plan.kv_bytes_per_position = c.layers * 2 * c.kv_heads * kv_vector_bytes(kv, c.head_dim);
  return plan;
}

uint64_t matrix_bytes_of_token(const MemoryPlan& plan, const ModelConfig& config) {
  const uint64_t read = plan.expert_bytes / config.stacked() * config.experts_used;
  return plan.ternary_bytes - plan.expert_bytes + read + plan.router_bytes;
}

Status check_memory(const std::string& path, const MemoryPlan& plan, uint64_t positions,
                    uint64_t limit) {
  const auto megabytes = [](uint64_t bytes) { return std::to_string(bytes / 1'000'000) + " MB"; };
  const uint64_t model = plan.total(0);
  const uint64_t context = plan.total(positions) - model;
  const std::string needed = path + ": the model needs " + megabytes(model) + " of memory";
  const std::string allowed = "; this control group allows " + megabytes(limit);
  if (model > limit) {
    return out_of_memory(needed + allowed);
  }
  if (model + context > limit) {
    return out_of_memory(needed + " and a context of " + std::to_string(positions) + " positions " +
                         megabytes(context) + allowed + ", enough for a context of " +
                         std::to_string((limit - model) / plan.kv_bytes_per_position));
  }
  return {};
}

}  // namespace rotor
