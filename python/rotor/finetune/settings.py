# SPDX-License-Identifier: Apache-2.0
"""Everything that decides what a run computes, besides the model and the data."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """The options of the command under their own names; a run goes on only with the same."""

    full: bool = False  # all weights, instead of adapters
    r: int = 8
    alpha: float = 16.0
    dropout: float = 0.0
    target_modules: tuple[str, ...] = ()  # none: all ternary matrices
    epochs: float = 3.0
    steps: int = 0  # instead of epochs, if above 0
    batch: int = 8  # rows of an optimiser step
    at_once: int = 8  # rows of a forward pass; less saves memory: gradients are accumulated
    context: int = 512  # tokens of a row, at most those of the model
    rate: float = 0.0  # 0: 2e-3 for adapters, 5e-4 for all weights
    warmup: float = 0.05  # share of the steps
    decay: float = 0.0
    clip: float = 1.0
    hold_out: float = 0.1  # share of the bytes to measure on
    eval_every: int = 0  # 0: ten times in the run
    patience: int = 3  # evaluations without gain until it stops; 0: never
    join_lines: bool = False
    temperature: float = 2.0  # of distillation
    teacher_weight: float = 0.5  # share of the divergence in the loss
    seed: int = 1

    def __post_init__(self) -> None:
        """ValueError names an option that makes no sense."""
        for name, least in (
            *(("r", 1), ("batch", 1), ("at_once", 1), ("context", 2), ("steps", 0)),
            *(("eval_every", 0), ("patience", 0), ("seed", 0)),
        ):
            if getattr(self, name) < least:
                raise ValueError(f"{_flag(name)}: expected {least} or more")
        for name, low, high in (
            ("alpha", 0.0, math.inf),
            ("epochs", 0.0, math.inf),
            ("clip", 0.0, math.inf),
            ("temperature", 0.0, math.inf),
        ):
            if not low < getattr(self, name) < high:
                raise ValueError(f"{_flag(name)}: expected a number above {low:g}")
        for name, high in (
            *(("rate", 1.0), ("warmup", 1.0), ("decay", 1.0), ("dropout", 1.0)),
            *(("teacher_weight", 1.0 + 1e-9), ("hold_out", 1.0)),
        ):
            if not 0 <= getattr(self, name) < high:
                raise ValueError(f"{_flag(name)}: expected a number from 0 to 1")

    def rate_at(self, step: int, steps: int) -> float:
        """Up in the warm-up, then down to 0 at `steps`; steps count from 0."""
        top = self.rate or (5e-4 if self.full else 2e-3)
        rising = max(1, round(self.warmup * steps))
        return top * min((step + 1) / rising, (steps - step) / max(1, steps - rising), 1.0)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
