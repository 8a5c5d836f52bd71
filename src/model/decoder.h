// SPDX-License-Identifier: Apache-2.0
// The decoder, written once. decode_step() is the whole model in execution order over the verbs that
// a device supplies; the verbs hide where the data lies and how the work is split, never what is
// computed (docs/numerics.md).
//
// Verbs of Ops, each for all rows of the batch:
//   embed(batch)             x = embedding rows of the tokens                     (rows, hidden)
//   qkv(layer)               q, k, v = W int8(norm(x))                            (rows, ...)
//   rope_store(layer)        q, k normed head by head if the model does so, turned by their positions;
//                            k, v into the cache
//   attend(layer)            a = softmax(q k^T * head_dim^-0.5) v                 (rows, q_rows)
//   attn_out(layer)          x += W int8(sub_norm(a))
//   route(layer)             of models with experts: which of them compute a row, with which weights, from
//                            norm(x). The next two are then sums over them
//   ffn_gate_up(layer)       h = g(W_gate int8(norm(x))) * (W_up int8(norm(x)))   (rows, ffn)
//   ffn_down(layer)          x += W int8(sub_norm(h))
//   logits()                 head . norm(x), for the rows that want it
// What attn_out and ffn_down add may pass a norm first, and is multiplied, where the model does so.
// Where each matrix has a norm of its own, its input is int8(own_norm(norm(x))); where activations stay
// floats, no int8 is taken.
//   status()                 ok, or why the numbers are not to be used
#pragma once

#include <rotor/status.h>

#include <cstddef>

#include "base/progress.h"
#include "model/batch.h"
#include "model/config.h"

namespace rotor {

template <typename Ops>
Status decode_step(const ModelConfig& config, const Batch& batch, const CancelFlag* cancel,
                   Ops& ops) {
  ops.embed(batch);
  for (size_t layer = 0; layer < config.layers; ++layer) {
    if (cancel != nullptr && cancel->cancelled()) {
      return Status(Code::kCancelled, "cancelled");
    }
    ops.qkv(layer);
    ops.rope_store(layer);
    ops.attend(layer);
    ops.attn_out(layer);
    if (config.experts != 0) {
      ops.route(layer);
    }
    ops.ffn_gate_up(layer);
    ops.ffn_down(layer);
  }
  ops.logits();
  return ops.status();
}

}  // namespace rotor
