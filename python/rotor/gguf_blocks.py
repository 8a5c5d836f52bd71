# SPDX-License-Identifier: Apache-2.0
"""Tensor types of GGUF whose values lie in blocks: the bytes of a tensor as floats or trits.

Layouts and formulas are those of ggml's ``dequantize_row_*``; the engine's are in ``src/io``
(quant_blocks, ternary_blocks) and are the same to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Floats = NDArray[np.float32]


@dataclass(frozen=True)
class BlockType:
    """values of a block along a row, and its bytes. floats: (blocks, bytes) to (blocks, values).
    codes: the same to trits + 1, where 3 is none, beside a float16 scale at byte scale_at."""

    name: str
    values: int
    bytes: int
    floats: Callable[[Bytes], Floats] | None = None
    codes: Callable[[Bytes], Bytes] | None = None
    scale_at: int = 0

    def scales(self, blocks: Bytes) -> Floats:
        """(blocks,) of a ternary type."""
        return _halves(blocks[:, self.scale_at : self.scale_at + 2])[:, 0]


def _halves(data: Bytes) -> Floats:
    values: NDArray[Any] = np.ascontiguousarray(data).view("<f2")
    return values.astype(np.float32)


def _signed(data: Bytes) -> Floats:
    return np.ascontiguousarray(data).view(np.int8).astype(np.float32)


def _q8_0(blocks: Bytes) -> Floats:
    """d and 32 int8: d q."""
    return _halves(blocks[:, :2]) * _signed(blocks[:, 2:])


def _q4_0(blocks: Bytes) -> Floats:
    """d and 16 bytes, whose low halves come first: d (q - 8)."""
    q = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1)
    return _halves(blocks[:, :2]) * (q.astype(np.float32) - np.float32(8))


def _q4_k(blocks: Bytes) -> Floats:
    """d, dmin, eight scales s and minima m of six bits, 128 bytes: (d s) q - dmin m."""
    d, packed = _halves(blocks[:, :4]), blocks[:, 4:16]
    high = packed[:, 8:]
    scale = np.concatenate([packed[:, :4] & 63, (high & 15) | packed[:, :4] >> 6 << 4], axis=1)
    least = np.concatenate([packed[:, 4:8] & 63, high >> 4 | packed[:, 4:8] >> 6 << 4], axis=1)
    codes = blocks[:, 16:].reshape(-1, 4, 1, 32) >> np.array([[0], [4]], np.uint8) & np.uint8(15)
    q = codes.reshape(-1, 8, 32).astype(np.float32)
    factor: Floats = (d[:, :1] * scale)[:, :, None]
    offset: Floats = (d[:, 1:] * least)[:, :, None]
    return (factor * q - offset).reshape(-1, 256)


def _q6_k(blocks: Bytes) -> Floats:
    """Low four bits (128 bytes), high two (64), 16 int8 scales s, d: (d s) (q - 32). Of each 128
    values a low byte has the n-th and the (64 + n)-th, a high byte those 32 apart."""
    low = blocks[:, :128].reshape(-1, 2, 1, 64) >> np.array([[0], [4]], np.uint8) & np.uint8(15)
    twos = np.array([[0], [2], [4], [6]], np.uint8)
    high = blocks[:, 128:192].reshape(-1, 2, 1, 32) >> twos & np.uint8(3)
    q = low.reshape(-1, 2, 4, 32) | high << np.uint8(4)
    scale = _halves(blocks[:, 208:]) * _signed(blocks[:, 192:208])
    values = scale[:, :, None] * (q.reshape(-1, 16, 16).astype(np.float32) - np.float32(32))
    return values.reshape(-1, 256)


def _quarters(data: Bytes) -> Bytes:
    """Runs of 32 bytes, each the four quarters of 128 codes."""
    shifts = np.array([[0], [2], [4], [6]], np.uint8)
    return (data.reshape(len(data), -1, 1, 32) >> shifts & np.uint8(3)).reshape(len(data), -1)


def _neighbours(data: Bytes) -> Bytes:
    """Four codes a byte, the first in the lowest bits."""
    shifts = np.array([0, 2, 4, 6], np.uint8)
    return (data[:, :, None] >> shifts & np.uint8(3)).reshape(len(data), -1)


def _base3(data: Bytes, runs: list[tuple[int, int]]) -> Bytes:
    """Bytes that are fractions of 256 in base 3; runs: how many, and of how many digits each. Digit
    n of byte m is code n * count + m. A byte that no number gives has codes of 3."""
    parts, begin = [], 0
    for count, digits in runs:
        part = data[:, None, begin : begin + count]
        powers = (3 ** np.arange(5)).astype(np.uint8)[:, None]
        codes = ((part * powers).astype(np.uint16) * 3 >> 8).astype(np.uint8)  # powers modulo 256
        number = (codes.astype(np.uint32) * 3 ** np.arange(4, -1, -1)[:, None]).sum(axis=1)
        bad = ((number * 256 + 242) // 243)[:, None] != part
        bad |= codes[:, digits:].any(axis=1, keepdims=True)
        parts.append(np.where(bad, np.uint8(3), codes[:, :digits]).reshape(len(data), -1))
        begin += count
    return np.concatenate(parts, axis=1)


def _tq1_0(blocks: Bytes) -> Bytes:
    return _base3(blocks, [(32, 5), (16, 5), (4, 4)])


def _ptq1_0(blocks: Bytes) -> Bytes:
    return _base3(blocks, [(16, 5), (8, 5), (2, 4)])


# By id, those that a tensor with it may have; its bytes tell which.
BLOCK_TYPES: dict[int, tuple[BlockType, ...]] = {
    2: (BlockType("Q4_0", 32, 18, floats=_q4_0),),
    8: (BlockType("Q8_0", 32, 34, floats=_q8_0),),
    12: (BlockType("Q4_K", 256, 144, floats=_q4_k),),
    14: (BlockType("Q6_K", 256, 210, floats=_q6_k),),
    34: (BlockType("TQ1_0", 256, 54, codes=lambda b: _tq1_0(b[:, :52]), scale_at=52),),
    35: (BlockType("TQ2_0", 256, 66, codes=lambda b: _quarters(b[:, :64]), scale_at=64),),
    42: (
        BlockType("Q2_0 g64", 64, 18, codes=lambda b: _neighbours(b[:, 2:])),
        BlockType("Q2_0 g128", 128, 34, codes=lambda b: _neighbours(b[:, 2:])),
    ),
    142: (BlockType("PQ2_0", 128, 34, codes=lambda b: _neighbours(b[:, 2:])),),
    143: (BlockType("PTQ1_0", 128, 28, codes=lambda b: _ptq1_0(b[:, :26]), scale_at=26),),
}
