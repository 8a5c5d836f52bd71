# SPDX-License-Identifier: Apache-2.0
"""Causal attention in blocks of queries.

Faster on CPUs than PyTorch's own, most of all backwards: a block multiplies with no key that its
mask would hide altogether, the heads that share a key are one matrix product, and the compiler
fuses scale, mask and softmax.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

# Queries per block: small enough to skip most hidden keys, large enough for the matrix unit.
BLOCK = 128


def causal_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(query key^T / sqrt(d)) value, each position seeing itself and those before it.

    Args:
        query: (B, H, T, d); head h uses key head h // (H / K), as transformers' `repeat_kv`.
        key, value: (B, K, T, d).

    Returns:
        (B, T, H * d) in the dtype of `query`; the softmax is float32.
    """
    batch, heads, length, size = query.shape
    shared = key.shape[1]
    query = query.unflatten(1, (shared, heads // shared))
    key = key.transpose(2, 3)
    blocks = []
    for begin in range(0, length, BLOCK):
        end = min(begin + BLOCK, length)
        rows = end - begin
        block = query[:, :, :, begin:end].flatten(2, 3)  # (B, K, H/K * rows, d)
        scores = (block @ key[..., :end]).float() * size**-0.5
        hidden = torch.full((rows, rows), -torch.inf, device=query.device).triu(1)
        mask = F.pad(hidden, (begin, 0))  # (rows, end)
        scores = scores.unflatten(2, (-1, rows)) + mask
        share = scores.softmax(-1).to(query.dtype).flatten(2, 3)
        blocks.append((share @ value[:, :, :end]).unflatten(2, (-1, rows)))
    mixed = torch.cat(blocks, dim=3)  # (B, K, H/K, T, d)
    return mixed.permute(0, 3, 1, 2, 4).reshape(batch, length, heads * size)
