# SPDX-License-Identifier: Apache-2.0
"""The engine's operations in NumPy: docs/numerics.md once more, and the same bits.

:mod:`rotor.ops` takes these where the compiled part is missing. Arrays are C-contiguous and checked
by the caller; floats are float32. An operation that NumPy does on single elements is correctly
rounded by IEEE 754; sums go through :func:`ordered_sum`, exp and the angles are computed by series.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from rotor.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

F = np.float32
LANES, BLOCK, PAGE = 16, 256, 256
HEAD_ROWS = 1024  # rows of a head multiplied at once: bounds the memory of the products
_EXP_CUTOFF, _LOG2E, _EXP_MAGIC = F(-87), F(float.fromhex("0x1.715476p+0")), F(12583039.0)
_LN2_HIGH, _LN2_LOW = F(float.fromhex("0x1.63p-1")), F(float.fromhex("-0x1.bd0106p-13"))
_EXP_SERIES = [
    F(float.fromhex(text))
    for text in (
        "0x1.6ac6e2p-10",
        "0x1.123de2p-7",
        "0x1.555858p-5",
        "0x1.55548cp-3",
        "0x1.fffffcp-2",
    )
]
_LN2 = float.fromhex("0x1.62e42fefa39efp-1")


def ordered_sum(terms: Floats) -> Floats:
    """SUM over the last axis: (..., n) to (...)."""
    *lead, count = terms.shape
    blocks = -(-count // BLOCK)
    padded = np.zeros((*lead, blocks * BLOCK), F)
    padded[..., :count] = terms
    lanes = padded.reshape(*lead, blocks, BLOCK // LANES, LANES)
    of_block = np.zeros((*lead, blocks, LANES), F)
    for i in range(BLOCK // LANES):
        of_block += lanes[..., i, :]
    total = np.zeros((*lead, LANES), F)
    for block in range(blocks):
        total += of_block[..., block, :]
    half = LANES // 2
    while half > 0:
        total = total[..., :half] + total[..., half : 2 * half]
        half //= 2
    return total[..., 0]


def exp_nonpositive(x: Floats) -> Floats:
    """exp of values up to 0; +0.0 below -87."""
    with np.errstate(all="ignore"):
        t = x * _LOG2E + _EXP_MAGIC
        n = t - _EXP_MAGIC
        r = (x - n * _LN2_HIGH) - n * _LN2_LOW
        q = np.full_like(r, _EXP_SERIES[0])
        for constant in _EXP_SERIES[1:]:
            q = q * r + constant
        q = (q * r) * r
        p = (q + r) + F(1)
        power = (t.view(np.uint32) << np.uint32(23)).view(F)
        return np.where(x < _EXP_CUTOFF, F(0), p * power)


def rms_norm(x: Floats, weight: Floats, eps: float) -> Floats:
    """x (rows, n) over its root mean square, times weight (n,)."""
    with np.errstate(all="ignore"):
        squares = ordered_sum(x * x)
        r = F(1) / np.sqrt(squares / F(x.shape[-1]) + F(eps)) + (squares - squares)
        normed: Floats = weight * (x * r[:, None])
        return normed


def quantize(x: Floats) -> tuple[NDArray[np.int8], Floats]:
    """int8 codes (rows, n) and scales (rows,) of x (rows, n). FloatingPointError: not finite."""
    largest = np.abs(x).max(axis=1)
    if not np.isfinite(largest).all():
        row = int(np.flatnonzero(~np.isfinite(largest))[0])
        raise FloatingPointError(f"x: vector {row} of shape {x.shape} holds infinity or NaN")
    scale = F(127) / np.maximum(largest, F(1e-5))
    return np.clip(np.rint(x * scale[:, None]), -128, 127).astype(np.int8), scale


def inverse_frequencies(theta: float, head_dim: int) -> Floats:
    """float32 (head_dim / 2)."""
    log_theta = _natural_log(theta)
    exponents = np.arange(0, head_dim, 2).astype(F) / F(head_dim)
    return F(1) / np.array([_exponential(float(e) * log_theta) for e in exponents], F)


def scale_frequencies(inverse: Floats, scaling: Mapping[str, Any]) -> Floats:
    """The frequencies of a model that stretches them; ``scaling`` as in a .rotor file's config."""
    kind = scaling.get("type", "none")
    if kind == "none":
        return inverse
    if kind == "linear":
        return inverse / F(scaling["factor"])
    if kind == "divisors":
        divisors: Floats = np.array(scaling["divisors"], F)
        return inverse / divisors
    if kind != "llama3":
        raise UnsupportedError(f"rotary scaling of type {kind} needs the compiled part")
    low, high = float(scaling["low_freq_factor"]), float(scaling["high_freq_factor"])
    context, factor = float(scaling["original_context"]), F(scaling["factor"])
    wave = (F(1) / inverse) * F(2 * math.pi)
    divided = inverse / factor
    smooth = ((F(1) / wave) * F(context) - F(low)) / F(high - low)
    mixed = ((F(1) - smooth) * inverse) / factor + smooth * inverse
    kept_or_mixed = np.where(wave < F(context / high), inverse, mixed)
    return np.where(wave > F(context / low), divided, kept_or_mixed)


def rotary(positions: NDArray[np.uint32], inverse: Floats) -> tuple[Floats, Floats]:
    """Cosines and sines (positions, head_dim / 2)."""
    angles = (positions.astype(F)[:, None] * inverse[None, :]).astype(np.float64)
    n = (angles * float.fromhex("0x1.45f306dc9c883p-1") + 0.5).astype(np.int32)
    r = (angles - n * float.fromhex("0x1.921fb54p+0")) - n * float.fromhex("0x1.10b4611p-30")
    r = r - n * float.fromhex("0x1.4c4c6628b80dcp-59")
    square = r * r
    sin, cos = np.ones_like(r), np.ones_like(r)
    for k in range(16, 1, -2):
        sin = 1.0 - sin * square / (k * (k + 1))
    for k in range(17, 0, -2):
        cos = 1.0 - cos * square / (k * (k + 1))
    sin = sin * r
    quarter = n & 3
    turned_cos = np.select([quarter == 0, quarter == 1, quarter == 2], [cos, -sin, -cos], sin)
    turned_sin = np.select([quarter == 0, quarter == 1, quarter == 2], [sin, cos, -sin], -cos)
    return turned_cos.astype(F), turned_sin.astype(F)


def rope(x: Floats, cos: Floats, sin: Floats) -> Floats:
    """x (tokens, heads, head_dim) turned by cos and sin (tokens, head_dim / 2)."""
    half = x.shape[-1] // 2
    low, high = x[..., :half], x[..., half:]
    c, s = cos[:, None], sin[:, None]
    with np.errstate(all="ignore"):
        return np.concatenate([low * c - high * s, high * c + low * s], axis=-1)


def gated(gate: Floats, up: Floats, activation: str) -> Floats:
    """g(gate) * up, elementwise; activation "relu2" or "silu"."""
    with np.errstate(all="ignore"):
        if activation == "relu2":
            r = np.where(gate < 0, F(0), gate)
            return (r * r) * up
        negative = gate < 0
        e = exp_nonpositive(np.where(negative, gate, -gate))
        sigmoid: Floats = np.where(negative, e, F(1)) / (F(1) + e)
        return (gate * sigmoid) * up


def attend(q: Floats, k: Floats, v: Floats, position: int, kv_type: str, window: int = 0) -> Floats:
    """Causal attention.

    q (tokens, heads, head_dim) at ``position`` and after; k and v (positions, kv_heads, head_dim),
    all up to the last token's. kv_type: what the cache keeps them as, "f16" or "f32". window:
    positions a query sees, 0: all.
    """
    tokens, heads, dim = q.shape
    group = heads // k.shape[1]
    q, k, v = (_rounded(x, kv_type) for x in (q, k, v))
    scale = F(1.0 / math.sqrt(dim))
    out = np.empty_like(q)
    with np.errstate(all="ignore"):
        for t in range(tokens):
            last = position + t
            first = max(0, last + 1 - window) if window else 0
            parts = [
                _attend_page(
                    q[t],
                    np.repeat(k[begin : min(last + 1, start + PAGE)], group, axis=1),
                    np.repeat(v[begin : min(last + 1, start + PAGE)], group, axis=1),
                    begin - start,
                    scale,
                    kv_type,
                )
                for start in range(first // PAGE * PAGE, last + 1, PAGE)
                for begin in (max(first, start),)
            ]
            largest, total, mixed = parts[0]
            for largest2, total2, mixed2 in parts[1:]:
                top = np.where(largest < largest2, largest2, largest)
                a, b = exp_nonpositive(largest - top), exp_nonpositive(largest2 - top)
                largest, total = top, total * a + total2 * b
                mixed = mixed * a[:, None] + mixed2 * b[:, None]
            out[t] = mixed / total[:, None]
    return out


def _attend_page(
    q: Floats, keys: Floats, values: Floats, begin: int, scale: np.float32, kv_type: str
) -> tuple[Floats, Floats, Floats]:
    """The largest score and the sum (heads,), and the weighted values (heads, dim), of one page."""
    scores = ordered_sum(keys.transpose(1, 0, 2) * q[:, None]) * scale  # (heads, positions)
    largest = np.where(np.isfinite(scores).all(axis=1), scores.max(axis=1) + F(0), F(np.nan))
    p = exp_nonpositive(scores - largest[:, None])
    p = _rounded(p, kv_type)
    placed = np.zeros((len(p), begin + p.shape[1]), F)
    placed[:, begin:] = p
    terms = p.T[:, :, None] * values  # (positions, heads, dim)
    started = np.concatenate([np.zeros((1, *terms.shape[1:]), F), terms])
    return largest, ordered_sum(placed), np.add.accumulate(started, axis=0, dtype=F)[-1]


def _rounded(x: Floats, kv_type: str) -> Floats:
    """As the cache keeps keys and values, and so that products with them are exact."""
    with np.errstate(over="ignore"):
        return x.astype(np.float16).astype(F) if kv_type == "f16" else x


def dot_rows(w: Floats, x: Floats) -> Floats:
    """x (batch, n) times the rows of w (rows, n): (batch, rows)."""
    out = np.empty((len(x), len(w)), F)
    with np.errstate(all="ignore"):
        for b in range(len(x)):
            for begin in range(0, len(w), HEAD_ROWS):
                rows = slice(begin, begin + HEAD_ROWS)
                out[b, rows] = ordered_sum(w[rows] * x[b])
    return out


class PackedMatrix:
    """A matrix of trits with its scales; the part of ``rotor._core.PackedMatrix`` that blocks use.

    trits: int8 (rows, cols). scale: float, float32 (1,) or (rows,), or with group_cols (rows,
    groups).
    """

    def __init__(
        self,
        trits: NDArray[np.int8],
        scale: float | Floats | NDArray[np.float16],
        *,
        group_cols: int = 0,
        format: str = "i2",
    ) -> None:
        self._trits = trits
        self._scale = np.asarray(scale, F).reshape(-1) if group_cols == 0 else np.asarray(scale, F)
        self.group_cols = group_cols
        self.format = format
        self.shape: tuple[int, int] = (trits.shape[0], trits.shape[1])
        self.nbytes = trits.nbytes

    @property
    def scale(self) -> float | Floats:
        return float(self._scale[0]) if self._scale.size == 1 else self._scale

    def trits(self) -> NDArray[np.int8]:
        return self._trits.copy()

    def matmul(self, x: Floats, *, threads: int = 0) -> Floats:
        """x (..., cols) as int8, times the matrix transposed and its scales: (..., rows)."""
        codes, steps = quantize(x.reshape(-1, x.shape[-1]))
        return self._scaled(codes, steps[:, None]).reshape(*x.shape[:-1], self.shape[0])

    def matmul_int8(self, x: NDArray[np.int8], *, threads: int = 0) -> NDArray[np.int32]:
        """Exact sums of x (..., cols) times trits: (..., rows)."""
        return _exact_sums(x, self._trits)

    def _scaled(self, codes: NDArray[np.int8], steps: Floats) -> Floats:
        if self.group_cols:
            total = np.zeros((len(codes), self.shape[0]), F)
            for g, scales in enumerate(self._scale.T):
                part = slice(g * self.group_cols, (g + 1) * self.group_cols)
                sums = _exact_sums(codes[:, part], self._trits[:, part])
                total = total + sums.astype(F) * scales
            return total / steps
        whole = _exact_sums(codes, self._trits).astype(F)
        if self._scale.size == 1:
            return whole * (self._scale / steps)
        return whole * (self._scale * (F(1) / steps))


def _exact_sums(x: NDArray[np.int8], trits: NDArray[np.int8]) -> NDArray[np.int32]:
    """Through float64, which holds sums below 2^53 exactly: that is NumPy's quick product."""
    sums: NDArray[np.int32] = (x.astype(np.float64) @ trits.T.astype(np.float64)).astype(np.int32)
    return sums


def _natural_log(x: float) -> float:
    (bits,) = struct.unpack("<q", struct.pack("<d", x))
    exponent = (bits >> 52) - 1023
    (m,) = struct.unpack("<d", struct.pack("<q", bits & 0x000FFFFFFFFFFFFF | 0x3FF0000000000000))
    if m >= 1.5:
        m, exponent = m * 0.5, exponent + 1
    s = (float(m) - 1.0) / (float(m) + 1.0)
    square, series = s * s, 0.0
    for k in range(31, 0, -2):
        series = series * square + 1.0 / k
    return int(exponent) * _LN2 + 2.0 * s * series


def _exponential(x: float) -> float:
    n = int(x / _LN2 + 0.5)
    r = x - n * _LN2
    series = 1.0
    for k in range(17, 0, -1):
        series = 1.0 + series * r / k
    return math.ldexp(series, n)
