# SPDX-License-Identifier: Apache-2.0
"""Tiny seeded Maple models: their weights, as GGUF, as a Hugging Face folder, and the formula in NumPy.

transformers has no class for them, so no golden values are committed: the oracles are the formula below and,
live, llama.cpp.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import gguf_writer
import hf_writer
import numpy_bitnet
import packing
import safetensors_io
from gguf_writer import Gguf, GgufTensor
from safetensors_io import Tensor

# Name in GGUF: name in a layer of the Hugging Face form; of EXPERT each expert has its own.
ATTENTION = {"attn_q": "q_proj", "attn_k": "k_proj", "attn_v": "v_proj", "attn_output": "o_proj"}
EXPERT = {"ffn_gate_exps": "gate_proj", "ffn_up_exps": "up_proj", "ffn_down_exps": "down_proj"}
NORMS = {
    "attn_norm": "input_layernorm",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
}


@dataclass(frozen=True)
class Shape:
    """Sizes of a model. Of ``every`` layers the last has no window; others see ``window`` positions."""

    hidden: int = 64
    ffn: int = 32
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 16
    layers: int = 4
    vocab: int = 304
    experts: int = 7
    used: int = 3
    window: int = 6
    every: int = 4
    rotary: int = 8
    limit: float = 7.0
    theta: float = 10000.0
    eps: float = 1e-6
    context: int = 512
    seed: int = 1

    def is_local(self, layer: int) -> bool:
        return (layer + 1) % self.every != 0

    def matrix(self, name: str) -> tuple[int, ...]:
        """(rows, cols), or (experts, rows, cols)."""
        heads, kv = self.heads * self.head_dim, self.kv_heads * self.head_dim
        return {
            "attn_q": (heads, self.hidden),
            "attn_k": (kv, self.hidden),
            "attn_v": (kv, self.hidden),
            "attn_output": (self.hidden, heads),
            "ffn_gate_exps": (self.experts, self.ffn, self.hidden),
            "ffn_up_exps": (self.experts, self.ffn, self.hidden),
            "ffn_down_exps": (self.experts, self.hidden, self.ffn),
        }[name]


# Rows of whole blocks of 256, which TQ1_0 and TQ2_0 take.
WIDE = Shape(hidden=256, ffn=256, head_dim=64, rotary=32, experts=5, used=2)


@dataclass
class Layer:
    """trits and scales (..., rows, 1) by GGUF name, norms by GGUF name, router (experts, hidden)."""

    trits: dict[str, np.ndarray] = field(default_factory=dict)
    scales: dict[str, np.ndarray] = field(default_factory=dict)
    norms: dict[str, np.ndarray] = field(default_factory=dict)
    router: np.ndarray | None = None

    def floats(self, name: str) -> np.ndarray:
        return self.trits[name] * self.scales[name]


@dataclass
class Model:
    shape: Shape
    embedding: np.ndarray
    head: np.ndarray
    norm: np.ndarray
    layers: list[Layer]


def make(shape: Shape) -> Model:
    """Random weights; scales, gains, embedding and head are numbers of bfloat16 and binary16."""
    rng = np.random.RandomState(zlib.crc32(repr(shape).encode()))

    def floats(size: float, *dims: int) -> np.ndarray:
        values = packing.round_to((size * rng.standard_normal(dims)).astype(np.float32), "BF16")
        return np.where(np.abs(values) < 2.0**-14, np.float32(0), values)

    def gains(width: int) -> np.ndarray:
        return packing.round_to((0.5 + rng.random_sample(width)).astype(np.float32), "BF16")

    model = Model(
        shape,
        embedding=floats(0.3, shape.vocab, shape.hidden),
        head=floats(0.28 / np.sqrt(shape.hidden), shape.vocab, shape.hidden),
        norm=gains(shape.hidden),
        layers=[],
    )
    for _ in range(shape.layers):
        layer = Layer()
        for name in [*ATTENTION, *EXPERT]:
            dims = shape.matrix(name)
            layer.trits[name] = rng.randint(-1, 2, size=dims).astype(np.int8)
            size = {"attn_output": 0.3, "ffn_down_exps": 0.1}.get(name, 1.2) / np.sqrt(dims[-1])
            scales = size * (0.5 + rng.random_sample(dims[:-1] + (1,)))
            layer.scales[name] = packing.round_to(scales.astype(np.float32), "BF16")
        for name in NORMS:
            of_head = name in ("attn_q_norm", "attn_k_norm")
            layer.norms[name] = gains(shape.head_dim if of_head else shape.hidden)
        # Some of gate and up then pass the bound, and choices are clear.
        layer.norms["ffn_norm"] *= np.float32(4)
        layer.router = (rng.standard_normal((shape.experts, shape.hidden)) / 8).astype(np.float32)
        model.layers.append(layer)
    return model


def choose(logits: np.ndarray, used: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``used`` largest of logits (experts,), of equal ones the first, and their softmax."""
    chosen = np.sort(np.argsort(-logits, kind="stable")[:used])
    weights = np.exp(logits[chosen] - logits[chosen].max())
    return chosen, weights / weights.sum()


def forward(model: Model, tokens: list[int], int8: bool, dtype: type = np.float64) -> np.ndarray:
    """Logits (tokens, vocab). int8: activations are rounded as Rotor rounds those of packed files."""
    shape = model.shape

    def product(x: np.ndarray, trits: np.ndarray, scales: np.ndarray) -> np.ndarray:
        if not int8:
            return x @ (trits * scales).astype(dtype).T
        codes, step = numpy_bitnet.quantise(x)
        sums = (codes.astype(np.int64) @ trits.astype(np.int64).T).astype(dtype)
        return sums * scales[:, 0].astype(dtype) / step.astype(dtype)[:, None]

    inverse = numpy_bitnet.inverse_frequencies(shape.rotary, shape.theta, {})
    angles = (np.arange(len(tokens), dtype=np.float32)[:, None] * inverse).astype(np.float64)
    turn = (np.cos(angles), np.sin(angles))
    x = model.embedding[tokens].astype(dtype)
    for index, layer in enumerate(model.layers):
        local = shape.is_local(index)
        normed = numpy_bitnet.rms_norm(x, layer.norms["attn_norm"], shape.eps)

        def heads(name: str, normed: np.ndarray = normed, layer: Layer = layer) -> np.ndarray:
            values = product(normed, layer.trits[name], layer.scales[name])
            return values.reshape(len(tokens), -1, shape.head_dim)

        q = numpy_bitnet.rms_norm(heads("attn_q"), layer.norms["attn_q_norm"], shape.eps)
        k = numpy_bitnet.rms_norm(heads("attn_k"), layer.norms["attn_k_norm"], shape.eps)
        if local:
            q, k = (
                np.concatenate(
                    [numpy_bitnet.rotate(v[..., : shape.rotary], *turn), v[..., shape.rotary :]], -1
                )
                for v in (q, k)
            )
        mixed = numpy_bitnet.attend(q, k, heads("attn_v"), shape.window if local else 0)
        mixed = mixed.reshape(len(tokens), -1)
        x = x + product(mixed, layer.trits["attn_output"], layer.scales["attn_output"])
        x = x + _experts(shape, layer, x, product)
    last = numpy_bitnet.rms_norm(x, model.norm, shape.eps)
    return last @ model.head.astype(dtype).T


def _experts(shape: Shape, layer: Layer, x: np.ndarray, product: object) -> np.ndarray:
    normed = numpy_bitnet.rms_norm(x, layer.norms["ffn_norm"], shape.eps)
    logits = normed @ layer.router.astype(x.dtype).T
    added = np.zeros_like(x)
    for row in range(len(x)):
        for expert, weight in zip(*choose(logits[row], shape.used), strict=True):
            part = normed[row : row + 1]
            for name in ("ffn_gate_exps", "ffn_up_exps"):
                value = product(part, layer.trits[name][expert], layer.scales[name][expert])
                if name == "ffn_gate_exps":
                    gate = numpy_bitnet.activate(np.minimum(value, shape.limit), "silu")
            hidden = gate * np.clip(value, -shape.limit, shape.limit)
            down = (layer.trits["ffn_down_exps"][expert], layer.scales["ffn_down_exps"][expert])
            added[row] += weight * product(hidden, *down)[0]
    return added


def metadata(shape: Shape) -> dict[str, tuple[str, object]]:
    """The keys that llama.cpp's converter writes."""
    local = [shape.is_local(layer) for layer in range(shape.layers)]
    keys: dict[str, tuple[str, object]] = {
        "vocab_size": ("u32", shape.vocab),
        "context_length": ("u32", shape.context),
        "embedding_length": ("u32", shape.hidden),
        "block_count": ("u32", shape.layers),
        "feed_forward_length": ("u32", 8 * shape.ffn),  # of no layer
        "expert_feed_forward_length": ("u32", shape.ffn),
        "expert_count": ("u32", shape.experts),
        "expert_used_count": ("u32", shape.used),
        "attention.head_count": ("u32", shape.heads),
        "attention.head_count_kv": ("u32", shape.kv_heads),
        "attention.key_length": ("u32", shape.head_dim),
        "attention.value_length": ("u32", shape.head_dim),
        "attention.layer_norm_rms_epsilon": ("f32", shape.eps),
        "attention.sliding_window": ("u32", shape.window),
        "attention.sliding_window_pattern": ("[bool]", local),
        "rope.dimension_count": ("u32", shape.rotary),
        "rope.freq_base": ("f32", shape.theta),
        "swiglu_clamp_exp": ("[f32]", [shape.limit] * shape.layers),
    }
    general = {"general.architecture": ("str", "maple"), "general.name": ("str", "tiny maple")}
    return general | {f"maple.{key}": value for key, value in keys.items()}


def build_gguf(model: Model, linears: str = "F32") -> Gguf:
    """The model as GGUF; linears: "F32", "F16", "BF16" or one of packing.BLOCK_TYPES."""
    file = Gguf(metadata=metadata(model.shape))
    file.metadata |= gguf_writer.tokenizer_metadata(model.shape.vocab, official_defects=False)
    file.tensors["token_embd.weight"] = gguf_writer.float_tensor(model.embedding, "F32")
    file.tensors["output.weight"] = gguf_writer.float_tensor(model.head, "F32")
    file.tensors["output_norm.weight"] = gguf_writer.float_tensor(model.norm, "F32")
    for index, layer in enumerate(model.layers):
        prefix = f"blk.{index}."
        for name in NORMS:
            gains = gguf_writer.float_tensor(layer.norms[name], "F32")
            file.tensors[f"{prefix}{name}.weight"] = gains
        file.tensors[f"{prefix}ffn_gate_inp.weight"] = gguf_writer.float_tensor(layer.router, "F32")
        for name in [*ATTENTION, *EXPERT]:
            file.tensors[f"{prefix}{name}.weight"] = _matrix(layer, name, linears)
    return file


def _matrix(layer: Layer, name: str, linears: str) -> GgufTensor:
    if linears not in packing.BLOCK_TYPES:
        return gguf_writer.float_tensor(layer.floats(name), linears)
    trits = layer.trits[name]
    flat = trits.reshape(-1, trits.shape[-1])
    blocks = flat.shape[1] // packing.BLOCK_TYPES[linears][0]
    scales = np.repeat(layer.scales[name].reshape(-1, 1), blocks, axis=1).astype(np.float16)
    data = packing.pack_blocks(flat, scales, linears).tobytes()
    return GgufTensor(tuple(reversed(trits.shape)), gguf_writer.BLOCK_IDS[linears], data)


def write_gguf(path: Path, model: Model, linears: str = "F32") -> Path:
    path.write_bytes(build_gguf(model, linears).encode())
    return path


def config(shape: Shape) -> dict[str, object]:
    """config.json as DeepGrove publishes it; its window does not count the position itself."""
    kinds = {True: "sliding_attention", False: "full_attention"}
    return {
        "architectures": ["MapleForCausalLM"],
        "model_type": "maple",
        "vocab_size": shape.vocab,
        "hidden_size": shape.hidden,
        "intermediate_size": 8 * shape.ffn,
        "moe_intermediate_size": shape.ffn,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "num_experts": shape.experts,
        "num_experts_per_tok": shape.used,
        "num_shared_experts": 0,
        "norm_topk_prob": True,
        "nope_on_global_attention": True,
        "use_qk_norm": True,
        "hidden_act": "silu",
        "layer_types": [kinds[shape.is_local(layer)] for layer in range(shape.layers)],
        "sliding_window": shape.window - 1,
        "partial_rotary_factor": shape.rotary / shape.head_dim,
        "rope_theta": shape.theta,
        "rope_scaling": None,
        "rms_norm_eps": shape.eps,
        "max_position_embeddings": shape.context,
        "tie_word_embeddings": False,
        "eos_token_id": hf_writer.token_ids()[hf_writer.EOS],
    }


def write_hf(folder: Path, model: Model, dtype: str = "BF16") -> Path:
    """A folder of floats that are trits times a scale for each row."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = {
        "model.word_embeddings.weight": Tensor.of(model.embedding, dtype),
        "lm_head.weight": Tensor.of(model.head, dtype),
        "model.norm.weight": Tensor.of(model.norm, dtype),
    }
    for index, layer in enumerate(model.layers):
        prefix = f"model.layers.{index}."
        for name, full in NORMS.items():
            stored[f"{prefix}{full}.weight"] = Tensor.of(layer.norms[name], dtype)
        stored[f"{prefix}mlp.gate.weight"] = Tensor.of(layer.router, "F32")
        for name, full in ATTENTION.items():
            stored[f"{prefix}self_attn.{full}.weight"] = Tensor.of(layer.floats(name), dtype)
        for name, full in EXPERT.items():
            for expert, floats in enumerate(layer.floats(name)):
                stored[f"{prefix}mlp.experts.{expert}.{full}.weight"] = Tensor.of(floats, dtype)
    (folder / "config.json").write_text(json.dumps(config(model.shape)))
    (folder / "tokenizer.json").write_bytes(hf_writer.TOKENIZER.read_bytes())
    ordered = dict(sorted(stored.items()))
    safetensors_io.write(folder / "model.safetensors", ordered, {"format": "pt"})
    return folder
