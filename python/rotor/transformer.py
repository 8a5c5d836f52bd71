# SPDX-License-Identifier: Apache-2.0
"""The parts of a ternary decoder, each a small callable over NumPy arrays.

They compute what the engine computes, in its order (docs/numerics.md), so a model that is put
together from them gives the engine's logits bit for bit. They are for study and for building
something else; :class:`rotor.Model` is the quick way to run a model. Activations are float32, one
row a token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rotor import arrays, ops

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


class RMSNorm:
    """x / rms(x) * weight over the last axis; weight float32 (n,)."""

    def __init__(self, weight: Floats, eps: float = 1e-5) -> None:
        self.weight: Floats = arrays.array(weight, "weight", np.float32, (None,))
        self.eps = eps

    def __call__(self, x: Floats) -> Floats:
        """x (..., n) to (..., n)."""
        found = arrays.rows(x, "x", np.float32, len(self.weight))
        flat = ops.rms_norm(found.reshape(-1, len(self.weight)), self.weight, self.eps)
        return flat.reshape(found.shape)


class TernaryLinear:
    """A matrix of trits with its scales; activations become int8 by their largest magnitude.

    trits: int8 (rows, cols). scale: float; float32 (rows,); or with ``group_cols`` of 64, 128 or
    256 float32 or float16 (rows, ceil(cols / group_cols)). input_norm: of this matrix alone.
    """

    def __init__(
        self,
        trits: NDArray[np.int8],
        scale: float | Floats | NDArray[np.float16] = 1.0,
        *,
        group_cols: int = 0,
        input_norm: RMSNorm | None = None,
    ) -> None:
        found = arrays.trits(trits)
        if isinstance(scale, np.ndarray):
            groups = (-(-found.shape[1] // group_cols),) if group_cols else ()
            if scale.size != 1 or group_cols:
                kind = np.float16 if group_cols and scale.dtype == np.float16 else np.float32
                scale = arrays.array(scale, "scale", kind, (found.shape[0], *groups))
            else:
                scale = float(arrays.array(scale.reshape(-1), "scale", np.float32, (1,))[0])
        if not np.isfinite(scale).all() or not np.all(np.asarray(scale) > 0):
            raise ValueError(
                f"scale: expected finite numbers above 0 for a matrix of {found.shape}"
            )
        self.packed = ops.PackedMatrix(found, scale, group_cols=group_cols)
        self.input_norm = input_norm

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols), outputs and inputs."""
        return self.packed.shape

    def __call__(self, x: Floats) -> Floats:
        """x (..., cols) to (..., rows). FloatingPointError: infinity or NaN."""
        found = arrays.rows(x, "x", np.float32, self.shape[1])
        if self.input_norm is not None:
            found = self.input_norm(found)
        return self.packed.matmul(found)


class LayerCache:
    """Keys and values of the tokens so far, of one layer: float32 (tokens, kv_heads, head_dim)."""

    def __init__(self) -> None:
        self.keys: Floats | None = None
        self.values: Floats | None = None

    def __len__(self) -> int:
        return 0 if self.keys is None else len(self.keys)

    def append(self, keys: Floats, values: Floats) -> tuple[Floats, Floats]:
        """All keys and values, the new ones last."""
        if self.keys is None or self.values is None:
            self.keys, self.values = keys, values
        else:
            self.keys = np.concatenate([self.keys, keys])
            self.values = np.concatenate([self.values, values])
        return self.keys, self.values


class MultiHeadAttention:
    """Causal attention with grouped query heads and rotary positions.

    query (heads * head_dim, hidden), key and value (kv_heads * head_dim, hidden), output (hidden,
    heads * head_dim). inverse_frequencies: float32 (head_dim / 2,); attention_factor multiplies
    cosines and sines. sub_norm: before the output; query_norm, key_norm: of each head, (head_dim,).
    window: positions that a query sees, 0: all. kv_type: "f16", as the engine keeps keys and values
    by default, or "f32".
    """

    def __init__(
        self,
        query: TernaryLinear,
        key: TernaryLinear,
        value: TernaryLinear,
        output: TernaryLinear,
        *,
        heads: int,
        kv_heads: int,
        inverse_frequencies: Floats,
        attention_factor: float = 1.0,
        sub_norm: RMSNorm | None = None,
        query_norm: RMSNorm | None = None,
        key_norm: RMSNorm | None = None,
        window: int = 0,
        kv_type: str = "f16",
    ) -> None:
        if heads < 1 or kv_heads < 1 or heads % kv_heads or query.shape[0] % heads:
            raise ValueError(
                f"heads: expected {query.shape[0]} rows of query in equal heads, a multiple of the "
                f"key/value heads, got {heads} and {kv_heads}"
            )
        if kv_type not in ("f16", "f32"):
            raise ValueError(f"kv_type: expected f16 or f32, got {kv_type}")
        self.head_dim = query.shape[0] // heads
        for name, linear, rows in (
            ("key", key, kv_heads * self.head_dim),
            ("value", value, kv_heads * self.head_dim),
        ):
            if linear.shape != (rows, query.shape[1]):
                raise ValueError(f"{name}: expected {(rows, query.shape[1])}, got {linear.shape}")
        if output.shape[1] != query.shape[0]:
            raise ValueError(f"output: expected (any, {query.shape[0]}), got {output.shape}")
        self.query, self.key, self.value, self.output = query, key, value, output
        self.heads, self.kv_heads = heads, kv_heads
        self.inverse_frequencies: Floats = arrays.array(
            inverse_frequencies, "inverse_frequencies", np.float32, (self.head_dim // 2,)
        )
        self.attention_factor = np.float32(attention_factor)
        self.sub_norm, self.query_norm, self.key_norm = sub_norm, query_norm, key_norm
        self.window, self.kv_type = window, kv_type

    def mixed(self, x: Floats, cache: LayerCache | None = None) -> Floats:
        """What the output projection takes: (tokens, heads * head_dim), normed if there is a
        norm."""
        found = arrays.array(x, "x", np.float32, (None, self.query.shape[1]))
        cache = LayerCache() if cache is None else cache
        tokens, position = len(found), len(cache)
        q = self.query(found).reshape(tokens, self.heads, self.head_dim)
        k = self.key(found).reshape(tokens, self.kv_heads, self.head_dim)
        v = self.value(found).reshape(tokens, self.kv_heads, self.head_dim)
        q = q if self.query_norm is None else self.query_norm(q)
        k = k if self.key_norm is None else self.key_norm(k)
        positions = np.arange(position, position + tokens, dtype=np.uint32)
        cos, sin = ops.rotary(positions, self.inverse_frequencies)
        if self.attention_factor != 1:
            cos, sin = cos * self.attention_factor, sin * self.attention_factor
        keys, values = cache.append(ops.rope(k, cos, sin), v)
        q = ops.rope(q, cos, sin)
        mixed = ops.attend(q, keys, values, position, self.kv_type, self.window)
        flat = mixed.reshape(tokens, -1)
        return flat if self.sub_norm is None else self.sub_norm(flat)

    def __call__(self, x: Floats, cache: LayerCache | None = None) -> Floats:
        """What is added to the tokens: x (tokens, hidden) to (tokens, hidden). The cache gets their
        keys and values."""
        return self.output(self.mixed(x, cache))


class GatedFFN:
    """down(sub_norm(g(gate(x)) * up(x))) with g(x) = max(x, 0)^2 ("relu2") or x * sigmoid(x)
    ("silu").

    gate and up (ffn, hidden), down (hidden, ffn).
    """

    def __init__(
        self,
        gate: TernaryLinear,
        up: TernaryLinear,
        down: TernaryLinear,
        *,
        sub_norm: RMSNorm | None = None,
        activation: str = "relu2",
    ) -> None:
        if activation not in ("relu2", "silu"):
            raise ValueError(f"activation: expected relu2 or silu, got {activation}")
        if up.shape != gate.shape or down.shape[1] != gate.shape[0]:
            raise ValueError(
                f"up, down: expected {gate.shape} and (any, {gate.shape[0]}), "
                f"got {up.shape} and {down.shape}"
            )
        self.gate, self.up, self.down = gate, up, down
        self.sub_norm, self.activation = sub_norm, activation

    def inner(self, x: Floats) -> Floats:
        """What the down projection takes: (tokens, ffn), normed if there is a norm."""
        found = arrays.array(x, "x", np.float32, (None, self.gate.shape[1]))
        inner = ops.gated(self.gate(found), self.up(found), self.activation)
        return inner if self.sub_norm is None else self.sub_norm(inner)

    def __call__(self, x: Floats) -> Floats:
        """What is added to the tokens: x (tokens, hidden) to (tokens, hidden)."""
        return self.down(self.inner(x))


class TransformerBlock:
    """A layer: x + attention(attention_norm(x)), then x + ffn(ffn_norm(x))."""

    def __init__(
        self,
        attention: MultiHeadAttention,
        ffn: GatedFFN,
        *,
        attention_norm: RMSNorm,
        ffn_norm: RMSNorm,
    ) -> None:
        self.attention, self.ffn = attention, ffn
        self.attention_norm, self.ffn_norm = attention_norm, ffn_norm

    def __call__(self, x: Floats, cache: LayerCache | None = None) -> Floats:
        """x (tokens, hidden) to (tokens, hidden)."""
        x = x + self.attention(self.attention_norm(x), cache)
        return x + self.ffn(self.ffn_norm(x))
