# SPDX-License-Identifier: Apache-2.0
"""Recipes of the tiny models the tests use, and their seeded weights.

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


# What the families call the norms of a layer.
NORMS = {
    "attn": "input_layernorm",
    "attn_sub": "self_attn.attn_sub_norm",
    "ffn": "post_attention_layernorm",
    "ffn_sub": "mlp.ffn_sub_norm",
    "q": "self_attn.q_norm",
    "k": "self_attn.k_norm",
}
NORMS_GEMMA3 = {
    "attn": "input_layernorm",
    "post_attn": "post_attention_layernorm",
    "ffn": "pre_feedforward_layernorm",
    "post_ffn": "post_feedforward_layernorm",
    "q": "self_attn.q_norm",
    "k": "self_attn.k_norm",
}
NORMS_1BITLLM = NORMS | {"attn_sub": "self_attn.inner_attn_ln", "ffn_sub": "mlp.ffn_layernorm"}


@dataclass(frozen=True)
class Recipe:
    """Everything that determines one tiny model.

    family: "bitnet", "1bitllm" (BitNet's layers under the names of bitnet_b1_58-*), "llama",
    "mistral", "minicpm", "qwen3" or "gemma3". input_norms: each projection has a norm of its own, as in
    BitNet-embedding, whose files leave the prefix "model." out of the names.
    head_size: dimensions of a head; 0 splits ``hidden``. rope: config.json's rope_scaling.
    multipliers: of MiniCPM, scale_emb, scale_depth and dim_model_base.
    storage: "packed" (U8 + weight_scale), "master" (floats ternarised at load), "unpacked" (floats that
    are trits times a scale for each of ``row_shards`` equal runs of rows, or for each ``groups`` columns
    of a row) or "float" (ordinary floats).
    The latter two say nothing of quantisation: their activations are not rounded.
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
    family: str = "bitnet"
    head_size: int = 0
    tied: bool = True
    eps: float = 1e-5
    input_norms: bool = False
    row_shards: int = 1
    groups: int = 0
    rope: dict[str, object] = field(default_factory=dict)
    multipliers: dict[str, float] = field(default_factory=dict)

    @property
    def head_dim(self) -> int:
        return self.head_size or self.hidden // self.heads

    @property
    def int8(self) -> bool:
        """Whether activations are rounded to int8."""
        return self.storage in ("packed", "master")

    @property
    def q_rows(self) -> int:
        return self.heads * self.head_dim

    @property
    def norms(self) -> list[tuple[str, int]]:
        """(name in a layer, width) in the order they are drawn."""
        names = {"1bitllm": NORMS_1BITLLM, "gemma3": NORMS_GEMMA3}.get(self.family, NORMS)
        widths = {"attn": self.hidden, "ffn": self.hidden}
        if self.family == "gemma3":
            widths |= {"post_attn": self.hidden, "post_ffn": self.hidden}
        if self.family in ("bitnet", "1bitllm"):
            widths |= {"attn_sub": self.q_rows, "ffn_sub": self.ffn}
        if self.family in ("qwen3", "gemma3"):
            widths |= {"q": self.head_dim, "k": self.head_dim}
        return [(name, widths[role]) for role, name in names.items() if role in widths]

    def shape(self, projection: str) -> tuple[int, int]:
        """(rows, cols) of a projection."""
        kv = self.kv_heads * self.head_dim
        return {
            "q_proj": (self.q_rows, self.hidden),
            "k_proj": (kv, self.hidden),
            "v_proj": (kv, self.hidden),
            "o_proj": (self.hidden, self.q_rows),
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
    masters: by full projection name, float32 (rows, cols), what the file holds; empty when packed.
    norms: by full tensor name, float32 (width,).
    embedding: float32 (vocab, hidden). head: the same, or None where the embedding is the head.
    """

    embedding: np.ndarray
    head: np.ndarray | None = None
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


def _norm_gains(rng: np.random.RandomState, width: int, recipe: Recipe) -> np.ndarray:
    """Gains of a norm of the family's own, as its files keep them: Gemma's less one."""
    gains = _gains(rng, width, recipe.dtype)
    return round_to(gains - 1, recipe.dtype) if recipe.family == "gemma3" else gains


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
            if recipe.input_norms:
                gains = _gains(rng, recipe.shape(projection)[1], recipe.dtype)
                weights.norms[f"{prefix}{projection}.norm.weight"] = gains
        for norm, width in recipe.norms:
            weights.norms[f"{prefix}{norm}.weight"] = _norm_gains(rng, width, recipe)
    weights.norms["model.norm.weight"] = _norm_gains(rng, recipe.hidden, recipe)
    if not recipe.tied:
        weights.head = _embedding(rng, recipe)
    return weights


def _add_projection(
    weights: Weights, recipe: Recipe, name: str, rng: np.random.RandomState
) -> None:
    """Draws one projection: sharp attention, blocks that add about as much as is there."""
    rows, cols = recipe.shape(name)
    kind = name.split(".")[-1]
    added = 0.05 if recipe.family in ("bitnet", "1bitllm") else 0.15  # no norm before it
    gain = {"q_proj": 1.7, "k_proj": 1.7, "o_proj": added, "down_proj": added}.get(kind, 1.0)
    size = gain * (0.5 + rng.random_sample()) / np.sqrt(cols)
    master = round_to((size * rng.standard_normal((rows, cols))).astype(np.float32), recipe.dtype)
    trits, mean = ternarise(master)
    weights.trits[name] = trits
    if recipe.storage == "unpacked":
        factors = np.repeat(1 + 0.25 * np.arange(recipe.row_shards), rows // recipe.row_shards)
        scales = mean * factors[:, None]
        if recipe.groups:
            scales = mean * (0.5 + rng.random_sample((rows, cols // recipe.groups)))
            scales = np.repeat(scales, recipe.groups, axis=1)
        weights.masters[name] = trits * round_to(scales.astype(np.float32), recipe.dtype)
        return
    if recipe.storage == "float":
        weights.masters[name] = master
        return
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
        # Llama3-8B-1.58: the scale divides; rotary scaling as in Llama 3.1.
        Recipe(
            "llama-divide",
            family="llama",
            hidden=64,
            ffn=144,
            heads=4,
            vocab=304,
            linear_class="bitlinear",
            hidden_act="silu",
            tied=False,
            rope={
                "rope_type": "llama3",
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 64,
            },
        ),
        # Falcon3: heads of 256.
        Recipe(
            "falcon3-heads",
            family="llama",
            hidden=96,
            ffn=128,
            heads=2,
            kv_heads=1,
            layers=1,
            vocab=304,
            head_size=256,
            theta=1000042.0,
            linear_class="bitlinear",
            hidden_act="silu",
            tied=False,
            eps=1e-6,
        ),
        Recipe(
            "llama-master",
            family="llama",
            hidden=80,
            ffn=128,
            heads=5,
            kv_heads=5,
            vocab=304,
            theta=10000.0,
            storage="master",
            hidden_act="silu",
            tied=False,
            rope={"rope_type": "linear", "factor": 2.5},
        ),
        # TriLM: floats that are trits times a scale for each shard of rows, activations of floats.
        Recipe(
            "trilm-shards",
            family="llama",
            hidden=96,
            ffn=144,
            heads=6,
            kv_heads=6,
            vocab=304,
            theta=10000.0,
            storage="unpacked",
            dtype="F16",
            row_shards=2,
            hidden_act="silu",
            tied=False,
        ),
        # Ordinary float models.
        Recipe(
            "llama-float",
            family="llama",
            hidden=72,
            ffn=136,
            heads=6,
            kv_heads=2,
            vocab=304,
            theta=10000.0,
            storage="float",
            hidden_act="silu",
        ),
        Recipe(
            "qwen3-float",
            family="qwen3",
            hidden=64,
            ffn=150,
            heads=4,
            layers=1,
            vocab=304,
            head_size=32,
            theta=1e6,
            storage="float",
            dtype="F32",
            hidden_act="silu",
            eps=1e-6,
        ),
        # BitCPM4: MiniCPM's multipliers; trits with scales of groups, activations of floats.
        Recipe(
            "minicpm-groups",
            family="minicpm",
            hidden=128,
            ffn=256,
            heads=4,
            kv_heads=2,
            layers=3,
            vocab=304,
            theta=10000.0,
            storage="unpacked",
            groups=128,
            hidden_act="silu",
            multipliers={"scale_emb": 12.0, "scale_depth": 1.4, "dim_model_base": 32},
            rope={
                "rope_type": "longrope",
                "original_max_position_embeddings": 512,
                "short_factor": [1 + i / 8 for i in range(16)],
                "long_factor": [1 + i for i in range(16)],
            },
        ),
        # bitnet_b1_58-large and -3B: heads of 96 and 100, columns that fill no block of 128.
        Recipe(
            "1bitllm-heads-96",
            family="1bitllm",
            hidden=192,
            ffn=176,
            heads=2,
            kv_heads=2,
            layers=1,
            vocab=300,
            theta=10000.0,
            storage="master",
            dtype="F16",
            hidden_act="silu",
        ),
        Recipe(
            "1bitllm-heads-100",
            family="1bitllm",
            hidden=100,
            ffn=270,
            heads=1,
            kv_heads=1,
            layers=1,
            vocab=300,
            theta=10000.0,
            storage="master",
            dtype="F16",
            hidden_act="silu",
        ),
        # Mistral: Llama's layers under another name.
        Recipe(
            "mistral",
            family="mistral",
            hidden=64,
            ffn=150,
            heads=8,
            vocab=304,
            theta=1e6,
            hidden_act="silu",
            tied=False,
        ),
        # Ternary-Bonsai: norms of the heads of q and k, heads wider than their share, YaRN.
        Recipe(
            "qwen3-yarn",
            family="qwen3",
            hidden=64,
            ffn=160,
            heads=4,
            vocab=304,
            head_size=32,
            theta=1e6,
            hidden_act="silu",
            tied=False,
            eps=1e-6,
            rope={
                "rope_type": "yarn",
                "factor": 4.0,
                "original_max_position_embeddings": 128,
                "beta_fast": 8.0,
            },
        ),
        # BitNet-embedding-270M: windows in two of three layers, two rotary bases, norms all over.
        Recipe(
            "gemma3-embedding",
            family="gemma3",
            hidden=64,
            ffn=144,
            heads=4,
            kv_heads=1,
            layers=3,
            vocab=304,
            head_size=32,
            theta=1e6,
            storage="master",
            hidden_act="gelu_pytorch_tanh",
            eps=1e-6,
            input_norms=True,
        ),
        # BitNet-embedding-0.6B.
        Recipe(
            "qwen3-embedding",
            family="qwen3",
            hidden=64,
            ffn=144,
            heads=4,
            layers=1,
            vocab=304,
            head_size=32,
            theta=1e6,
            storage="master",
            hidden_act="silu",
            eps=1e-6,
            input_norms=True,
        ),
    )
}
COMMITTED_MODELS = ("packed-multiply", "packed-divide", "master-bf16")
