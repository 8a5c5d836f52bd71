# SPDX-License-Identifier: Apache-2.0
"""The forward pass of ternary models in NumPy: a second oracle, independent of torch and of the engine.

Integer products are exact (int64). Float steps follow the reference's formulas; ``dtype`` float64
carries everything but the definitions of the quantiser and the rotary angles in double precision,
which shows how much of a result is rounding noise.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import safetensors_io
from packing import unpack_hf
from tiny_models import NORMS, NORMS_1BITLLM, NORMS_GEMMA3, ternarise

# Where a layer quantises its activations, with the projections that read each. Projections that have
# norms of their own have their inputs for themselves.
SITES = {
    "qkv": ("q", "k", "v"),
    "q": ("q",),
    "k": ("k",),
    "v": ("v",),
    "o": ("o",),
    "gate_up": ("gate", "up"),
    "gate": ("gate",),
    "up": ("up",),
    "down": ("down",),
}
HF_NAMES = {
    "q": "self_attn.q_proj",
    "k": "self_attn.k_proj",
    "v": "self_attn.v_proj",
    "o": "self_attn.o_proj",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
}

Trace = dict[str, np.ndarray]


@dataclass(frozen=True)
class Linear:
    """trits int8 (rows, cols); multiplier float32, applied to the dequantised integer sums.

    groups: multipliers (rows, groups) of equal runs of columns, in place of the one.
    norm: gains (cols,) of a norm of its own on the input.
    floats: float32 (rows, cols), which multiply the input as it is, in place of all that.
    """

    trits: np.ndarray | None = None
    multiplier: np.float32 = np.float32(1)
    groups: np.ndarray | None = None
    norm: np.ndarray | None = None
    floats: np.ndarray | None = None

    def scaled(self, codes: np.ndarray, sums: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """The integer sums (tokens, rows) of codes (tokens, cols) times the multipliers."""
        if self.groups is None:
            return sums.astype(dtype) * dtype.type(self.multiplier)
        cols = self.trits.shape[1] // self.groups.shape[1]
        total = np.zeros(sums.shape, dtype=dtype)
        for g, scales in enumerate(self.groups.T):
            part = slice(g * cols, (g + 1) * cols)
            sums = codes[:, part].astype(np.int64) @ self.trits[:, part].astype(np.int64).T
            total += sums.astype(dtype) * scales.astype(dtype)
        return total


@dataclass(frozen=True)
class Layer:
    """linears by short name (q k v o gate up down); norms attn and ffn, and of attn_sub, ffn_sub, q
    and k those that the family has."""

    linears: dict[str, Linear]
    norms: dict[str, np.ndarray]


@dataclass(frozen=True)
class Model:
    """A model; embedding (vocab, hidden) is the head too unless there is one, final_norm (hidden,).

    rope: the rope_scaling of config.json, or nothing. embed_scale and residual_scale multiply the
    embedding and what half a layer adds; head_divisor divides what the head multiplies. Of
    global_every layers the last sees all positions, the others window of them, with a rotary base of
    their own. attention_scale: 0 means head_dim^-0.5.
    """

    heads: int
    kv_heads: int
    theta: float
    eps: float
    hidden_act: str
    embedding: np.ndarray
    layers: list[Layer]
    final_norm: np.ndarray
    head: np.ndarray | None = None
    rope: dict[str, object] = field(default_factory=dict)
    embed_scale: float = 1.0
    residual_scale: float = 1.0
    head_divisor: float = 1.0
    window: int = 0
    global_every: int = 0
    local_theta: float = 0.0
    attention_scale: float = 0.0

    def is_local(self, index: int) -> bool:
        return self.window != 0 and (index + 1) % self.global_every != 0

    @property
    def head_dim(self) -> int:
        q = self.layers[0].linears["q"]
        return len(q.trits if q.floats is None else q.floats) // self.heads


def load_hf(folder: Path) -> Model:
    """Loads a Hugging Face directory: packed with either scale rule, float masters, or floats that
    nothing says to be masters."""
    config = json.loads((folder / "config.json").read_text())
    stored: dict[str, safetensors_io.Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        stored.update(safetensors_io.read(file)[0])
    if "embed_tokens.weight" in stored:  # saved without a head
        stored = {f"model.{name}": tensor for name, tensor in stored.items()}
    quantization = config.get("quantization_config", {})
    masters = bool(quantization) or "weight_bits" in config or config["model_type"] == "bitnet"
    divides = quantization.get("linear_class", "bitlinear") == "bitlinear"
    split = config["hidden_size"] // config["num_attention_heads"]
    head_dim = config.get("head_dim", split)
    rows = {
        "q": config["num_attention_heads"] * head_dim,
        "k": config["num_key_value_heads"] * head_dim,
        "v": config["num_key_value_heads"] * head_dim,
        "o": config["hidden_size"],
        "gate": config["intermediate_size"],
        "up": config["intermediate_size"],
        "down": config["hidden_size"],
    }

    def linear(prefix: str, short: str) -> Linear:
        weight = stored[f"{prefix}{HF_NAMES[short]}.weight"]
        own = stored.get(f"{prefix}{HF_NAMES[short]}.norm.weight")
        if weight.dtype != "U8" and not masters and own is None:
            return Linear(floats=weight.floats())
        if weight.dtype != "U8":
            return Linear(*ternarise(weight.floats()), norm=None if own is None else own.floats())
        scale = stored[f"{prefix}{HF_NAMES[short]}.weight_scale"].floats()[0]
        multiplier = np.float32(1) / scale if divides else scale
        return Linear(unpack_hf(weight.array, rows[short]), multiplier)

    gemma = config["model_type"] == "gemma3_text"
    one = np.float32(1 if gemma else 0)  # its norms are kept less one
    layers = []
    for index in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{index}."
        layers.append(
            Layer(
                linears={short: linear(prefix, short) for short in HF_NAMES},
                norms={
                    short: stored[f"{prefix}{name}.weight"].floats() + one
                    for names in ((NORMS_GEMMA3,) if gemma else (NORMS, NORMS_1BITLLM))
                    for short, name in names.items()
                    if f"{prefix}{name}.weight" in stored
                },
            )
        )
    rope = config.get("rope_parameters") or config
    return Model(
        heads=config["num_attention_heads"],
        kv_heads=config["num_key_value_heads"],
        theta=rope["rope_theta"],
        eps=config["rms_norm_eps"],
        hidden_act=config.get("hidden_act") or config["hidden_activation"],
        embedding=stored["model.embed_tokens.weight"].floats(),
        layers=layers,
        final_norm=stored["model.norm.weight"].floats() + one,
        head=None if config["tie_word_embeddings"] else stored["lm_head.weight"].floats(),
        rope=config.get("rope_scaling") or {},
        embed_scale=np.sqrt(config["hidden_size"]) if gemma else config.get("scale_emb", 1.0),
        window=config["sliding_window"] if gemma else 0,
        global_every=config["sliding_window_pattern"] if gemma else 0,
        local_theta=config["rope_local_base_freq"] if gemma else 0.0,
        attention_scale=config["query_pre_attn_scalar"] ** -0.5 if gemma else 0.0,
        residual_scale=config.get("scale_depth", 1.0) / np.sqrt(config["num_hidden_layers"])
        if "scale_depth" in config
        else 1.0,
        head_divisor=config["hidden_size"] / config["dim_model_base"]
        if "dim_model_base" in config
        else 1.0,
    )


def rms_norm(x: np.ndarray, gain: np.ndarray, eps: float) -> np.ndarray:
    """gain * x / sqrt(mean(x^2) + eps) over the last axis; x (tokens, width)."""
    variance = np.mean(x * x, axis=-1, keepdims=True)
    return gain.astype(x.dtype) * (x * (1 / np.sqrt(variance + x.dtype.type(eps))))


def quantise(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int8 codes (tokens, width) and float32 scales (tokens,): code = round(x * scale)."""
    x = x.astype(np.float32)
    amax = np.maximum(np.abs(x).max(axis=-1), np.float32(1e-5))
    scale = np.float32(127) / amax
    return np.clip(np.rint(x * scale[:, None]), -128, 127).astype(np.int8), scale


def inverse_frequencies(head_dim: int, theta: float, rope: dict[str, object]) -> np.ndarray:
    """float32 (head_dim / 2), scaled as transformers does for the types of rope_scaling.

    NumPy's float32 power has other last bits on other processors: float64's is rounded.
    """
    exponent = np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim)
    powers = (np.float64(theta) ** exponent.astype(np.float64)).astype(np.float32)
    inverse = np.float32(1) / powers
    kind = rope.get("rope_type", "default")
    if kind == "default":
        return inverse
    if kind == "longrope":  # up to the original context
        return inverse / np.array(rope["short_factor"], dtype=np.float32)
    factor = np.float32(rope["factor"])
    if kind == "linear":
        return inverse / factor
    if kind == "yarn":
        return _yarn_frequencies(powers, head_dim, theta, rope)
    assert kind == "llama3", kind
    low, high = np.float32(rope["low_freq_factor"]), np.float32(rope["high_freq_factor"])
    context = np.float32(rope["original_max_position_embeddings"])
    wave = np.float32(1) / inverse * np.float32(2 * np.pi)
    smooth = (np.float32(1) / wave * context - low) / (high - low)
    mixed = (np.float32(1) - smooth) * inverse / factor + smooth * inverse
    return np.where(
        wave > context / low, inverse / factor, np.where(wave < context / high, inverse, mixed)
    )


def _yarn_frequencies(
    powers: np.ndarray, head_dim: int, theta: float, rope: dict[str, object]
) -> np.ndarray:
    """Frequencies between those of the original context and those divided by the factor."""
    context, one = rope["original_max_position_embeddings"], np.float32(1)
    rotations = np.array([rope.get("beta_fast", 32), rope.get("beta_slow", 1)], dtype=np.float64)
    ends = head_dim * np.log(context / (rotations * 2 * np.pi)) / (2 * np.log(theta))
    first, last = max(np.floor(ends[0]), 0), min(np.ceil(ends[1]), head_dim - 1)
    places = np.arange(head_dim // 2, dtype=np.float32)
    ramp = np.clip((places - np.float32(first)) / np.float32(last - first), 0, 1)
    kept = one - ramp
    return one / (np.float32(rope["factor"]) * powers) * (one - kept) + one / powers * kept


def rotary(tokens: int, model: Model, local: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """cos and sin, float64 (tokens, head_dim / 2), of the reference's float32 angles."""
    theta, rope = (model.local_theta, {}) if local else (model.theta, model.rope)
    inverse = inverse_frequencies(model.head_dim, theta, rope)
    angles = np.arange(tokens, dtype=np.float32)[:, None] * inverse[None, :]
    yarn = model.rope.get("rope_type") == "yarn"
    stretch = 0.1 * np.log(model.rope["factor"]) + 1 if yarn else 1.0
    return tuple(turn(angles.astype(np.float64)) * stretch for turn in (np.cos, np.sin))


def rotate(x: np.ndarray, cos: np.ndarray, sin: np.ndarray) -> np.ndarray:
    """Rotates x (tokens, heads, head_dim), pairing dimension i with i + head_dim / 2."""
    cos, sin = cos[:, None].astype(x.dtype), sin[:, None].astype(x.dtype)
    first, second = np.split(x, 2, axis=-1)
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def attend(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, window: int = 0, scale: float = 0.0
) -> np.ndarray:
    """Causal attention; q (tokens, heads, dim), k and v (tokens, kv_heads, dim) -> like q.

    window: positions that a query sees, itself included; 0: all. scale: 0 means dim^-0.5.
    """
    tokens, heads, dim = q.shape
    group = heads // k.shape[1]
    keys = np.repeat(k, group, axis=1).transpose(1, 2, 0)  # (heads, dim, tokens)
    values = np.repeat(v, group, axis=1).transpose(1, 0, 2)  # (heads, tokens, dim)
    scores = q.transpose(1, 0, 2) @ keys * q.dtype.type(scale or dim**-0.5)
    seen = np.tri(tokens, dtype=bool) & ~np.tri(tokens, k=-(window or tokens), dtype=bool)
    scores = np.where(seen, scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return (weights @ values).transpose(1, 0, 2)


def activate(x: np.ndarray, name: str) -> np.ndarray:
    """relu2 (max(x, 0)^2) or silu."""
    if name == "relu2":
        return np.square(np.maximum(x, 0))
    if name == "silu":
        return x / (1 + np.exp(-x))
    if name == "gelu_pytorch_tanh":
        return x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)).astype(x.dtype)) / 2
    raise ValueError(f"unknown activation {name}")


def forward(
    model: Model,
    tokens: list[int],
    dtype: type = np.float32,
    inject: Trace | None = None,
    trace: Trace | None = None,
    jitter: np.random.RandomState | None = None,
) -> np.ndarray:
    """Logits (tokens, vocab) of a token sequence in ``dtype``.

    inject: codes and scales by trace name (``layer0.qkv.q``, ``layer0.qkv.scale``) that replace the
    quantised activations. trace: receives the codes, scales and integer sums that were used.
    jitter: multiplies every value before it is quantised by 1 + 1e-6 * a standard normal draw.
    """
    tap = Tap(inject, {} if trace is None else trace, jitter)
    x = model.embedding[tokens].astype(dtype) * dtype(model.embed_scale)  # (tokens, hidden)
    scale = dtype(model.residual_scale)
    angles = {local: rotary(len(tokens), model, local) for local in {False, model.window != 0}}
    for index, layer in enumerate(model.layers):
        tap.prefix = f"layer{index}."
        local = model.is_local(index)
        added = _attention(model, layer, x, angles[local], tap, model.window if local else 0)
        x = x + scale * _post_norm(model, layer, "post_attn", added)
        x = x + scale * _post_norm(model, layer, "post_ffn", _feed_forward(model, layer, x, tap))
    head = model.embedding if model.head is None else model.head
    last = rms_norm(x, model.final_norm, model.eps) / dtype(model.head_divisor)
    return last @ head.astype(dtype).T


@dataclass
class Tap:
    """What a pass replaces, records and disturbs, with the prefix of the layer it is in."""

    inject: Trace | None
    trace: Trace
    jitter: np.random.RandomState | None
    prefix: str = ""


def _post_norm(model: Model, layer: Layer, role: str, added: np.ndarray) -> np.ndarray:
    """What half a layer adds, normed where the layer does so."""
    return rms_norm(added, layer.norms[role], model.eps) if role in layer.norms else added


def _attention(
    model: Model,
    layer: Layer,
    x: np.ndarray,
    angles: tuple[np.ndarray, np.ndarray],
    tap: Tap,
    window: int,
) -> np.ndarray:
    """What the attention half of a layer adds to x (tokens, hidden)."""
    tokens = len(x)
    q, k, v = _project(model, layer, "qkv", rms_norm(x, layer.norms["attn"], model.eps), tap)
    q = q.reshape(tokens, model.heads, -1)
    k = k.reshape(tokens, model.kv_heads, -1)
    if "q" in layer.norms:
        q = rms_norm(q, layer.norms["q"], model.eps)
        k = rms_norm(k, layer.norms["k"], model.eps)
    q, k = rotate(q, *angles), rotate(k, *angles)
    v = v.reshape(tokens, model.kv_heads, -1)
    mixed = attend(q, k, v, window, model.attention_scale).reshape(tokens, -1)
    if "attn_sub" in layer.norms:
        mixed = rms_norm(mixed, layer.norms["attn_sub"], model.eps)
    return _project(model, layer, "o", mixed, tap)[0]


def _feed_forward(model: Model, layer: Layer, x: np.ndarray, tap: Tap) -> np.ndarray:
    """What the feed-forward half of a layer adds to x (tokens, hidden)."""
    gate, up = _project(model, layer, "gate_up", rms_norm(x, layer.norms["ffn"], model.eps), tap)
    inner = activate(gate, model.hidden_act) * up
    if "ffn_sub" in layer.norms:
        inner = rms_norm(inner, layer.norms["ffn_sub"], model.eps)
    return _project(model, layer, "down", inner, tap)[0]


def _project(
    model: Model, layer: Layer, site: str, value: np.ndarray, tap: Tap
) -> list[np.ndarray]:
    """The outputs of the projections that read one site's input (tokens, cols)."""
    if layer.linears["q"].norm is None:
        return _project_site(layer, site, value, tap)
    own = [(short, layer.linears[short].norm) for short in SITES[site]]
    return [_project_site(layer, s, rms_norm(value, n, model.eps), tap)[0] for s, n in own]


def _project_site(layer: Layer, site: str, value: np.ndarray, tap: Tap) -> list[np.ndarray]:
    """Quantises one site's input and runs the projections that read it."""
    name = tap.prefix + site
    if tap.jitter is not None:
        value = value * (1 + 1e-6 * tap.jitter.standard_normal(value.shape)).astype(value.dtype)
    if layer.linears[SITES[site][0]].floats is not None:
        return [value @ layer.linears[s].floats.astype(value.dtype).T for s in SITES[site]]
    codes, scale = quantise(value)
    if tap.inject is not None:
        codes, scale = tap.inject[f"{name}.q"], tap.inject[f"{name}.scale"]
    tap.trace[f"{name}.q"], tap.trace[f"{name}.scale"] = codes, scale
    outputs = []
    for short in SITES[site]:
        linear = layer.linears[short]
        sums = codes.astype(np.int64) @ linear.trits.astype(np.int64).T
        tap.trace[f"{tap.prefix}{short}.acc"] = sums.astype(np.int32)
        steps = scale.astype(value.dtype)[:, None]
        outputs.append(linear.scaled(codes, sums, value.dtype) / steps)
    return outputs
