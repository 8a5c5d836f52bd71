// SPDX-License-Identifier: Apache-2.0
#include "engine/embedding.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace rotor {

Status check_pooling(const Model& model) {
  const Pooling pooling = model.config.pooling;
  if (pooling == Pooling::kLast || pooling == Pooling::kUnstated) {
    return {};
  }
  return unsupported(model.path + ": pooling of the " + std::string(pooling_name(pooling)) +
                     " of the tokens is not supported; expected the last");
}

Status compute_hidden(Executor& executor, std::span<const TokenId> tokens, size_t first,
                      size_t at_once, const CancelFlag* cancel, const HiddenCallback& on_hidden) {
  KvSequence sequence(&executor.kv_pool());
  Batch batch;
  for (size_t begin = 0; begin < tokens.size(); begin += at_once) {
    const size_t end = std::min(tokens.size(), begin + at_once);
    ROTOR_TRY(sequence.extend(end - begin));
    batch.rows.clear();
    for (size_t i = begin; i < end; ++i) {
      BatchRow row{&sequence, i, tokens[i], i >= first};
      row.hidden_alone = true;
      batch.rows.push_back(row);
    }
    ROTOR_TRY(executor.forward(batch, cancel));
    const size_t shown = std::max(begin, first);
    for (size_t i = shown; i < end; ++i) {
      on_hidden(i, executor.hidden(i - shown));
    }
  }
  return {};
}

Result<std::vector<float>> embed_tokens(Executor& executor, std::span<const TokenId> tokens,
                                        size_t context, size_t at_once, const CancelFlag* cancel) {
  if (tokens.empty()) {
    return invalid_argument("a text without a token has no vector");
  }
  if (tokens.size() > context) {
    return invalid_argument("a text of " + std::to_string(tokens.size()) +
                            " tokens does not fit into the context of " + std::to_string(context) +
                            " positions");
  }
  std::vector<float> vector;
  ROTOR_TRY(compute_hidden(executor, tokens, tokens.size() - 1, at_once, cancel,
                           [&](size_t, std::span<const float> hidden) {
                             vector.assign(hidden.begin(), hidden.end());
                           }));
  return vector;
}

void normalize(std::span<float> vector) {
  double square = 0.0;
  for (const float value : vector) {
    square += static_cast<double>(value) * static_cast<double>(value);
  }
  const double length = std::sqrt(square);
  for (float& value : vector) {
    value = length > 0.0 ? static_cast<float>(static_cast<double>(value) / length) : value;
  }
}

}  // namespace rotor
