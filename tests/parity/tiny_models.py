# SPDX-License-Identifier: Apache-2.0
"""Recipes of the tiny BitNet models the tests use, and their seeded weights.

Weights come from ``numpy.random.RandomState``, whose streams are frozen by NumPy's compatibility
promise, so a recipe names the same model on every machine and no weight has to be committed.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace

import numpy as np

from packing import round_to

# (name in a layer, rows, cols) in units the recipe resolves; execution order.
PROJECTIONS = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)


@dataclass(frozen=True)
class Recipe:
    """Everything that determines one tiny model.

    storage: "packed" (U8 + weight_scale) or "master" (floats ternarised at load).
    linear_class: "autobitlinear" (weight_scale multiplies) or "bitlinear" (it divides).
    dtype: float dtype of every unpacked tensor in the file.
    """

    name: str
    hidden: int = 96
    ffn: int = 200
    heads: int = 6
    kv_heads: int = 2
    layers: int = 2
    vocab: int = 320
    theta: float = 500000.0
    max_positions: int = 512
    storage: str = "packed"
    linear_class: str = "autobitlinear"
    dtype: str = "BF16"
    shards: int = 1
    hidden_act: str = "relu2"
    config_style: str = "hub"
    seed: int = 1

    @property
    def head_dim(self) -> int:
        return self.hidden // self.heads

    def shape(self, projection: str) -> tuple[int, int]:
        """(rows, cols) of a projection."""
        kv = self.kv_heads * self.head_dim
        return {
            "q_proj": (self.hidden, self.hidden),
            "k_proj": (kv, self.hidden),
            "v_proj": (kv, self.hidden),
            "o_proj": (self.hidden, self.hidden),
            "gate_proj": (self.ffn, self.hidden),
            "up_proj": (self.ffn, self.hidden),
            "down_proj": (self.hidden, self.ffn),
        }[projection.split(".")[-1]]

    def with_seed(self, seed: int) -> Recipe:
        """The same shape and form with other weights."""
        return replace(self, name=f"{self.name}-s{seed}", seed=seed)


@dataclass
class Weights:
    """Weights of one tiny model, as float32 values that the file's dtypes hold exactly.

    trits: by full projection name, int8 (rows, cols).
    scales: by full projection name, the number in the file (packed) or the size of a trit (master).
    masters: by full projection name, float32 (rows, cols); empty when packed.
    norms: by full tensor name, float32 (width,).
    embedding: float32 (vocab, hidden).
    """

    embedding: np.ndarray
    trits: dict[str, np.ndarray] = field(default_factory=dict)
    scales: dict[str, np.float32] = field(default_factory=dict)
    masters: dict[str, np.ndarray] = field(default_factory=dict)
    norms: dict[str, np.ndarray] = field(default_factory=dict)

    def multiplier(self, name: str, recipe: Recipe) -> np.float32:
        """What the integer sum times the activation step is multiplied with."""
        if recipe.storage == "packed" and recipe.linear_class == "bitlinear":
            return np.float32(1) / self.scales[name]
        return self.scales[name]


def ternarise(master: np.ndarray) -> tuple[np.ndarray, np.float32]:
    """The reference's rule: s = 1 / mean|W|, trits of round(W * s) clamped to [-1, 1], and 1 / s.

    The mean is taken in float64 and rounded once; s and 1 / s are binary32.
    """
    mean = np.float32(max(np.abs(master.astype(np.float64)).mean(), 1e-5))
    inverse = np.float32(1) / mean
    return np.clip(np.rint(master * inverse), -1, 1).astype(np.int8), np.float32(1) / inverse


def _gains(rng: np.random.RandomState, width: int, dtype: str) -> np.ndarray:
    """Norm gains as trained models have them: most near 1, some negative, tiny or large."""
    gains = np.exp(0.4 * rng.standard_normal(width))
    kind = rng.random_sample(width)
    gains = np.where(kind < 0.06, -gains, gains)
    gains = np.where((kind >= 0.06) & (kind < 0.12), gains * 1e-8, gains)
    gains = np.where((kind >= 0.12) & (kind < 0.15), gains * 2, gains)
    return round_to(gains.astype(np.float32), dtype)


def _embedding(rng: np.random.RandomState, recipe: Recipe) -> np.ndarray:
    """Gaussian rows that binary32, binary16 and bfloat16 all hold exactly (tiny values are 0)."""
    size = 0.28 / np.sqrt(recipe.hidden)
    values = round_to(size * rng.standard_normal((recipe.vocab, recipe.hidden)), "BF16")
    return np.where(np.abs(values) < 2.0**-14, np.float32(0), values)


def make_weights(recipe: Recipe) -> Weights:
    """The weights of a recipe; the same bits everywhere."""
    rng = np.random.RandomState(zlib.crc32(f"{recipe.name}/{recipe.seed}".encode()))
    weights = Weights(embedding=_embedding(rng, recipe))
    for layer in range(recipe.layers):
        prefix = f"model.layers.{layer}."
        for projection in PROJECTIONS:
            _add_projection(weights, recipe, prefix + projection, rng)
        for norm, width in (
            ("input_layernorm", recipe.hidden),
            ("self_attn.attn_sub_norm", recipe.hidden),
            ("post_attention_layernorm", recipe.hidden),
            ("mlp.ffn_sub_norm", recipe.ffn),
        ):
            weights.norms[f"{prefix}{norm}.weight"] = _gains(rng, width, recipe.dtype)
    weights.norms["model.norm.weight"] = _gains(rng, recipe.hidden, recipe.dtype)
    return weights


def _add_projection(
    weights: Weights, recipe: Recipe, name: str, rng: np.random.RandomState
) -> None:
    """Draws one projection: sharp attention, blocks that add about as much as is there."""
    rows, cols = recipe.shape(name)
    kind = name.split(".")[-1]
    gain = {"q_proj": 1.7, "k_proj": 1.7, "o_proj": 0.05, "down_proj": 0.05}.get(kind, 1.0)
    size = gain * (0.5 + rng.random_sample()) / np.sqrt(cols)
    master = round_to((size * rng.standard_normal((rows, cols))).astype(np.float32), recipe.dtype)
    trits, mean = ternarise(master)
    weights.trits[name] = trits
    if recipe.storage == "master":
        weights.masters[name] = master
        weights.scales[name] = mean
        return
    stored = np.float32(1) / mean if recipe.linear_class == "bitlinear" else mean
    weights.scales[name] = round_to(np.array([stored]), recipe.dtype)[0]


# Committed with golden values; the first three are committed as files too, for tests in C++.
RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("packed-multiply"),
        Recipe(
            "packed-divide",
            hidden=64,
            ffn=176,
            heads=4,
            layers=3,
            vocab=384,
            theta=10000.0,
            linear_class="bitlinear",
        ),
        Recipe("master-bf16", hidden=80, ffn=136, heads=5, kv_heads=1, storage="master"),
        Recipe("master-f16", ffn=208, storage="master", dtype="F16"),
        Recipe(
            "master-f32",
            hidden=72,
            ffn=120,
            heads=3,
            kv_heads=3,
            storage="master",
            dtype="F32",
            config_style="transformers5",
        ),
        Recipe("sharded", hidden=64, ffn=192, heads=2, kv_heads=1, layers=3, shards=3),
        Recipe("odd-packed", hidden=66, ffn=201, heads=3, kv_heads=1, vocab=333),
        Recipe(
            "odd-master",
            hidden=90,
            ffn=143,
            heads=9,
            kv_heads=3,
            vocab=301,
            storage="master",
            dtype="F32",
        ),
        Recipe("wide-256", hidden=256, ffn=320, heads=4, kv_heads=1, vocab=304),
        Recipe("gqa-5-1", hidden=640, ffn=320, heads=5, kv_heads=1, vocab=300),
    )
}
COMMITTED_MODELS = ("packed-multiply", "packed-divide", "master-bf16")
