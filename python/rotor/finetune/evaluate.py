# SPDX-License-Identifier: Apache-2.0
"""Bits per byte of texts, and of the answers of conversations."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rotor.finetune.samples import Sample, collate, windows
from rotor.train.data import UNLEARNED


def nats(logits: Tensor, targets: Tensor) -> Tensor:
    """The sum over the targets that are learned; logits (rows, tokens, vocabulary)."""
    flat = logits.flatten(0, 1).float()
    return F.cross_entropy(flat, targets.flatten(), ignore_index=UNLEARNED, reduction="sum")


@torch.no_grad()
def bits_per_byte(
    model: nn.Module, samples: Sequence[Sample], begin: Sequence[int], context: int
) -> float:
    """Bits that the model needs for what is learned of the samples, divided by its UTF-8 length.

    Texts are cut into windows that do not overlap, each after `begin`, so that every token counts
    once, as in `rotor ppl`. Of conversations the answers count, with the tokens that end them;
    what is further than the context neither as bits nor, in proportion, as bytes.
    """
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    total, size = 0.0, 0.0
    for sample in samples:
        rows = windows(sample, begin, context)
        counted = sum(int(learned[1:].sum()) for _, learned in rows)
        size += sample.bytes * counted / max(1, int(sample.learned.sum()))
        for start in range(0, len(rows), 8):
            inputs, targets = collate(rows[start : start + 8])
            logits = model(input_ids=inputs.to(device), use_cache=False).logits
            total += nats(logits, targets.to(device)).item()
    model.train(training)
    return total / math.log(2) / max(1.0, size)
