# SPDX-License-Identifier: Apache-2.0
"""Distillation: the model learns the probabilities of a teacher, beside the tokens of the text."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from rotor.finetune.model import ModelError, load
from rotor.train.data import UNLEARNED


class Teacher:
    """A causal language model with the model's vocabulary; it learns nothing."""

    def __init__(self, name: str, tokenizer: Any, device: torch.device, temperature: float):
        """Raises ModelError where the vocabularies differ, and names how."""
        loaded = load(name, ternary=False)
        _check_vocabulary(name, loaded.tokenizer.get_vocab(), tokenizer.get_vocab())
        self.model = loaded.model.requires_grad_(False).eval().to(device)
        self.temperature = temperature

    def divergence(self, inputs: Tensor, logits: Tensor, targets: Tensor) -> Tensor:
        """The sum over learned targets of T^2 KL(teacher || model), at temperature T in nats
        (Hinton et al., arXiv:1503.02531, section 2); logits (rows, tokens, vocabulary)."""
        with torch.no_grad():
            theirs = self.model(input_ids=inputs, use_cache=False).logits
        # Heads may be padded beyond the vocabulary, and differently.
        width = min(theirs.shape[-1], logits.shape[-1])
        learned = targets != UNLEARNED
        ours = F.log_softmax(logits[learned][:, :width].float() / self.temperature, dim=-1)
        wanted = F.log_softmax(theirs[learned][:, :width].float() / self.temperature, dim=-1)
        divergence = F.kl_div(ours, wanted, reduction="sum", log_target=True)
        return divergence * self.temperature**2


def _check_vocabulary(name: str, theirs: dict[str, int], ours: dict[str, int]) -> None:
    if theirs == ours:
        return
    if len(theirs) != len(ours):
        raise ModelError(
            f"teacher {name}: another vocabulary: {len(theirs)} tokens, the model has {len(ours)}"
        )
    token = min((t for t in ours if theirs.get(t) != ours[t]), key=lambda t: ours[t])
    found = f"has the number {theirs[token]} there" if token in theirs else "is not there"
    raise ModelError(
        f"teacher {name}: another vocabulary: the model's token {ours[token]}, {token!r}, {found}"
    )
