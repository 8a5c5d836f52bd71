# SPDX-License-Identifier: Apache-2.0
"""The draw of a token in NumPy: docs/sampling.md once more, and the same tokens.

:mod:`rotor.ops` takes this where the compiled part is missing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]
    Words = NDArray[np.uint64]

F = np.float32
_LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
_LOG2E = float.fromhex("0x1.71547652b82fep+0")
_ROUND = float.fromhex("0x1.8p52")
_ONE = 2.0**39
_WORD = np.uint64(0xFFFFFFFF)


@dataclass
class SamplingParams:
    """The fields and defaults of ``rotor.SamplingParams``, which checks them."""

    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    typical_p: float = 1.0
    repeat_last_n: int = 64
    repeat_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int = 0
    logit_bias: Sequence[tuple[int, float]] = ()


class Sampler:
    """Draws tokens; has no state but its parameters."""

    def __init__(self, params: SamplingParams, vocabulary: int) -> None:
        self.params = params
        self.vocabulary = vocabulary

    def draw(self, logits: NDArray[np.float32], tokens: NDArray[np.int32], answer: int = 0) -> int:
        """The token that follows ``tokens`` in the answer of that index, given its logits
        (vocabulary,).

        A logit may be minus infinity: the token is banned. FloatingPointError: another is not
        finite.
        """
        p = self.params
        row = self._adjusted(logits, tokens)
        ids = np.flatnonzero(row != -np.inf)
        if len(ids) == 0:
            raise ValueError("logits: every token is banned")
        ids = ids[np.lexsort((ids, -row[ids]))]  # the likeliest first, ties to lower ids
        if F(p.temperature) == 0:
            return int(ids[0])
        kept = ids[: p.top_k] if p.top_k > 0 else ids
        for keep, mass, off in (
            (_typical, F(p.typical_p), 1.0),
            (_top_p, F(p.top_p), 1.0),
            (_min_p, F(p.min_p), 0.0),
        ):
            kept = kept if mass == off else keep(row, kept, float(mass))
        noise = _gumbel(p.seed, answer, len(tokens), kept)
        scores = row[kept].astype(np.float64) / float(F(p.temperature)) + noise
        best = kept[scores == scores.max()]
        return int(best.min())

    def _adjusted(
        self, logits: NDArray[np.float32], tokens: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        """The logits after biases and penalties."""
        p = self.params
        row = logits.astype(F)  # a copy
        _check_finite(row)
        for token, bias in p.logit_bias:
            row[token] += F(bias)
        if p.repeat_last_n != 0:
            seen = tokens if p.repeat_last_n < 0 else tokens[-p.repeat_last_n :]
            for token, count in Counter(seen.tolist()).items():
                if row[token] == -np.inf:
                    continue
                penalty = F(p.repeat_penalty)
                row[token] = row[token] / penalty if row[token] > 0 else row[token] * penalty
                row[token] -= F(count) * F(p.frequency_penalty)
                row[token] -= F(p.presence_penalty)
        _check_finite(row)
        return row


def log_softmax(logits: NDArray[np.float32]) -> Doubles:
    """Log-probabilities of all tokens, of logits (vocabulary,), as generate() reports them."""
    below = logits.astype(np.float64) - float(logits.max())
    total = np.add.accumulate(_exp(below))[-1:]
    return np.minimum(0.0, below - _log(total))


def _check_finite(row: NDArray[np.float32]) -> None:
    odd = np.flatnonzero(np.isnan(row) | (row == np.inf))
    if len(odd):
        raise FloatingPointError(
            f"the logit of token {odd[0]} is {row[odd[0]]}, expected a finite number"
        )


def _weights(row: NDArray[np.float32], kept: NDArray[np.int64]) -> tuple[Doubles, Doubles]:
    """How far the logits are below the largest, and 2^39 times its exp."""
    below = row[kept].astype(np.float64) - float(row[kept].max())
    return below, _exp(below) * _ONE


def _typical(row: NDArray[np.float32], kept: NDArray[np.int64], mass: float) -> NDArray[np.int64]:
    below, shares = _weights(row, kept)
    whole = shares.astype(np.int64)
    total = int(whole.sum())
    mean = -float(int((shares * -below).astype(np.int64).sum())) / float(total)
    order = np.lexsort((kept, np.abs(mean - below)))
    return kept[order[: _reach(whole[order], mass * float(total))]]


def _top_p(row: NDArray[np.float32], kept: NDArray[np.int64], mass: float) -> NDArray[np.int64]:
    kept = kept[np.lexsort((kept, -row[kept]))]
    whole = _weights(row, kept)[1].astype(np.int64)
    return kept[: _reach(whole, mass * float(int(whole.sum())))]


def _reach(weights: NDArray[np.int64], goal: float) -> int:
    """How many of the weights, in their order, it takes to reach the goal; all if they do not."""
    return int(np.argmax(np.append(np.cumsum(weights).astype(np.float64), np.inf) >= goal)) + 1


def _min_p(row: NDArray[np.float32], kept: NDArray[np.int64], ratio: float) -> NDArray[np.int64]:
    lowest = float(row[kept].max()) + float(_log(np.array([ratio]))[0])
    return kept[row[kept].astype(np.float64) >= lowest]


def _exp(x: Doubles) -> Doubles:
    """e^x for x <= 0 by additions and multiplications alone."""
    shifted = x * _LOG2E + _ROUND
    k = shifted - _ROUND
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    total = np.full_like(r, 1.0 / math.factorial(13))
    for n in range(12, -1, -1):
        total = total * r + 1.0 / math.factorial(n)
    power = ((shifted.view(np.uint64) + np.uint64(1023)) << np.uint64(52)).view(np.float64)
    return np.where(x < -700.0, 0.0, total * power)


def _log(x: Doubles) -> Doubles:
    """ln x of normal numbers by additions, multiplications and one division."""
    bits = np.ascontiguousarray(x).view(np.uint64)
    offset = (bits - np.uint64(0x3FE6A09E667F3BCD)) & np.uint64(0xFFF << 52)
    m = (bits - offset).view(np.float64)
    k = (offset.view(np.int64) >> 52).astype(np.float64)
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    total = np.full_like(z, 1.0 / 21.0)
    for n in range(19, 1, -2):
        total = total * z + 1.0 / n
    log_m = 2.0 * s + 2.0 * s * (z * total)
    return k * _LN2_HIGH + (log_m + k * _LN2_LOW)


def _gumbel(seed: int, answer: int, position: int, tokens: NDArray[np.int64]) -> Doubles:
    """-ln(-ln(u)) of each token's own random number."""
    bits = _philox(seed, answer, position, tokens.astype(np.uint64))
    v = ((bits >> np.uint64(12)) * np.uint64(2) + np.uint64(1)).astype(np.float64) * 2.0**-53
    return -_log(-_log(1.0 - v))


def _philox(seed: int, answer: int, position: int, tokens: Words) -> Words:
    """64 bits a token of Philox4x32-10 with counter (token, position, answer, 0)."""
    c0, c1 = tokens & _WORD, np.full_like(tokens, position)
    c2, c3 = np.full_like(tokens, answer), np.zeros_like(tokens)
    key0, key1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        product0, product1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0 = (product1 >> np.uint64(32)) ^ c1 ^ np.uint64(key0)
        c2 = (product0 >> np.uint64(32)) ^ c3 ^ np.uint64(key1)
        c1, c3 = product1 & _WORD, product0 & _WORD
        key0, key1 = (key0 + 0x9E3779B9) & 0xFFFFFFFF, (key1 + 0xBB67AE85) & 0xFFFFFFFF
    return c1 << np.uint64(32) | c0
