# SPDX-License-Identifier: Apache-2.0
"""Writes GGUF files with struct and NumPy, and BitNet models in them.

The container is written by hand so that its version, its defects and its contents are free to
choose; a live test reads it back with the ``gguf`` package.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hf_writer import BOS, CHAT_TEMPLATE, EOS, EOT, TOKENIZER
from packing import (
    bf16_bits,
    pack_blocks,
    pack_i2s,
    pack_iq_bn,
    quantize_q4_0,
    quantize_q4_k,
    quantize_q6_k,
    quantize_q8_0,
)
from tiny_models import Recipe, Weights

F32, F16, Q4_0, Q8_0, Q4_K, Q6_K, TQ1_0, BF16 = 0, 1, 2, 8, 12, 14, 34, 30
I2_S, TL1, TL2 = 36, 38, 39
BLOCK_IDS = {"TQ1_0": 34, "TQ2_0": 35, "Q2_0": 42, "Q2_0_128": 42, "PQ2_0": 142, "PTQ1_0": 143}

IQ_BN_IDS = {"IQ1_BN": 134, "IQ2_BN": 135, "IQ2_BN_R4": 335}

# Value types of metadata: (id in the file, struct code).
_SCALARS = {"u16": (2, "H"), "u32": (4, "I"), "i32": (5, "i"), "f32": (6, "f"), "bool": (7, "?")}
_STRING, _ARRAY = 8, 9

# What the conversion script of the official file wrote; its turns are not those of the model.
WRONG_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}{{ 'Human: ' + "
    "message['content'] + '\\n\\nBITNETAssistant: ' + eos_token }}{% endif %}{% endfor %}"
)
LINEARS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_NORMS = {
    "input_layernorm": "attn_norm",
    "self_attn.attn_sub_norm": "attn_sub_norm",
    "self_attn.inner_attn_ln": "attn_sub_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.ffn_sub_norm": "ffn_sub_norm",
    "mlp.ffn_layernorm": "ffn_sub_norm",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
}
ARCHITECTURES = {
    "bitnet": "bitnet-b1.58",
    "1bitllm": "bitnet",
    "llama": "llama",
    "mistral": "llama",
    "minicpm": "minicpm",
    "qwen3": "qwen3",
}


@dataclass(frozen=True)
class GgufTensor:
    """ne: dimensions, fastest first; type_id: ggml type; data: the bytes as stored."""

    ne: tuple[int, ...]
    type_id: int
    data: bytes


@dataclass
class Gguf:
    """A GGUF file in memory. metadata: key -> (type name, value); arrays as ("[str]", list)."""

    version: int = 3
    alignment: int = 32
    metadata: dict[str, tuple[str, object]] = field(default_factory=dict)
    tensors: dict[str, GgufTensor] = field(default_factory=dict)

    def head(self, outlines: dict[str, tuple[tuple[int, ...], int, int]]) -> bytes:
        """All before the data, which follow in this order; of each tensor ne, type_id and bytes."""
        head = b"GGUF" + struct.pack("<IQQ", self.version, len(outlines), len(self.metadata))
        for key, (kind, value) in self.metadata.items():
            head += _string(key) + _value(kind, value)
        offset = 0
        for name, (ne, type_id, size) in outlines.items():
            dimensions = struct.pack(f"<I{len(ne)}Q", len(ne), *ne)
            head += _string(name) + dimensions + struct.pack("<IQ", type_id, offset)
            offset += size + -size % self.alignment
        return head + bytes(-len(head) % self.alignment)

    def encode(self) -> bytes:
        """The bytes of the file; v2 and v3 differ in the version number alone."""
        outlines = {name: (t.ne, t.type_id, len(t.data)) for name, t in self.tensors.items()}
        padded = (t.data + bytes(-len(t.data) % self.alignment) for t in self.tensors.values())
        return self.head(outlines) + b"".join(padded)


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(kind: str, value: object) -> bytes:
    """Type id and payload of one metadata value."""
    if kind == "str":
        return struct.pack("<I", _STRING) + _string(value)
    if kind == "[str]":
        head = struct.pack("<IIQ", _ARRAY, _STRING, len(value))
        return head + b"".join(_string(item) for item in value)
    if kind.startswith("["):
        type_id, code = _SCALARS[kind[1:-1]]
        return struct.pack(f"<IIQ{len(value)}{code}", _ARRAY, type_id, len(value), *value)
    type_id, code = _SCALARS[kind]
    return struct.pack(f"<I{code}", type_id, value)


@dataclass(frozen=True)
class Form:
    """How a model is put into GGUF.

    arch: empty means that of the recipe's family.
    embedding: "F32", "F16", "BF16", "Q8_0", "Q6_K", "Q4_0", "Q4_K" or one of BLOCK_IDS.
    i2s_layout: see packing.pack_i2s.
    official_defects: no pre-tokenizer key, no end-of-turn id, the wrong chat template.
    duplicate_head: output.weight repeats token_embd.weight. linears: "I2_S", one of BLOCK_IDS or
    IQ_BN_IDS, or "F32", "F16" or "BF16" holding -d, 0 and d.
    """

    arch: str = ""
    embedding: str = "F16"
    i2s_layout: str = "128"
    version: int = 3
    official_defects: bool = False
    duplicate_head: bool = False
    linears: str = "I2_S"


def float_tensor(values: np.ndarray, type_name: str) -> GgufTensor:
    """A float tensor (rows, cols) or (cols,) in one of the types an embedding may have."""
    type_id, encode = {
        "F32": (F32, lambda v: v.astype("<f4")),
        "F16": (F16, lambda v: v.astype("<f2")),
        "BF16": (BF16, bf16_bits),
        "Q8_0": (Q8_0, quantize_q8_0),
        "Q6_K": (Q6_K, quantize_q6_k),
        "Q4_0": (Q4_0, quantize_q4_0),
        "Q4_K": (Q4_K, quantize_q4_k),
    }[type_name]
    return GgufTensor(tuple(reversed(values.shape)), type_id, encode(values).tobytes())


def linear_tensor(trits: np.ndarray, multiplier: np.float32, form: Form) -> GgufTensor:
    """A ternary matrix (rows, cols) in the form's type."""
    if form.linears in BLOCK_IDS:
        data = pack_blocks(trits, multiplier, form.linears)
        shape = tuple(reversed(trits.shape))
        return GgufTensor(shape, BLOCK_IDS[form.linears], data.tobytes())
    if form.linears in IQ_BN_IDS:
        data = pack_iq_bn(trits, multiplier, form.linears)
        shape = tuple(reversed(trits.shape))
        return GgufTensor(shape, IQ_BN_IDS[form.linears], data.tobytes())
    if form.linears != "I2_S":
        return float_tensor(trits * multiplier, form.linears)
    data = pack_i2s(trits, multiplier, form.i2s_layout)
    return GgufTensor(tuple(reversed(trits.shape)), I2_S, data.tobytes())


def tokenizer_metadata(
    vocab: int, official_defects: bool, tokenizer: Path = TOKENIZER
) -> dict[str, tuple[str, object]]:
    """tokenizer.ggml.* of a tokenizer.json, padded with unused tokens up to ``vocab``."""
    source = json.loads(tokenizer.read_text())
    special = {token["content"]: token["id"] for token in source["added_tokens"]}
    ids = source["model"]["vocab"] | special
    tokens = [f"[PAD{index}]" for index in range(vocab)]
    kinds = [5] * vocab  # unused
    for text, index in ids.items():
        tokens[index] = text
        kinds[index] = 3 if text in special else 1  # control or normal
    merges = [m if isinstance(m, str) else " ".join(m) for m in source["model"]["merges"]]
    result: dict[str, tuple[str, object]] = {
        "tokenizer.ggml.model": ("str", "gpt2"),
        "tokenizer.ggml.tokens": ("[str]", tokens),
        "tokenizer.ggml.scores": ("[f32]", [0.0] * vocab),
        "tokenizer.ggml.token_type": ("[i32]", kinds),
        "tokenizer.ggml.merges": ("[str]", merges),
        "tokenizer.ggml.bos_token_id": ("u32", special[BOS]),
        "tokenizer.ggml.eos_token_id": ("u32", special[EOS]),
        "tokenizer.ggml.padding_token_id": ("u32", special[EOS]),
        "tokenizer.ggml.add_bos_token": ("bool", True),
    }
    if official_defects:
        result["tokenizer.chat_template"] = ("str", WRONG_TEMPLATE)
        return result
    result["tokenizer.ggml.pre"] = ("str", "llama-bpe")
    result["tokenizer.ggml.eot_token_id"] = ("u32", special[EOT])
    result["tokenizer.chat_template"] = ("str", CHAT_TEMPLATE)
    return result


def model_metadata(recipe: Recipe, form: Form) -> dict[str, tuple[str, object]]:
    """general.* and {arch}.* keys, as the converters write them."""
    arch = form.arch or ARCHITECTURES[recipe.family]
    result: dict[str, tuple[str, object]] = {
        "general.architecture": ("str", arch),
        "general.name": ("str", recipe.name),
        f"{arch}.vocab_size": ("u32", recipe.vocab),
        f"{arch}.context_length": ("u32", recipe.max_positions),
        f"{arch}.embedding_length": ("u32", recipe.hidden),
        f"{arch}.block_count": ("u32", recipe.layers),
        f"{arch}.feed_forward_length": ("u32", recipe.ffn),
        f"{arch}.rope.dimension_count": ("u32", recipe.head_dim),
        f"{arch}.attention.head_count": ("u32", recipe.heads),
        f"{arch}.attention.head_count_kv": ("u32", recipe.kv_heads),
        f"{arch}.attention.layer_norm_rms_epsilon": ("f32", recipe.eps),
        f"{arch}.rope.freq_base": ("f32", recipe.theta),
        "general.file_type": ("u32", 40),
        "general.quantization_version": ("u32", 2),
    }
    if arch == "bitnet" and recipe.hidden_act != "silu":
        result[f"{arch}.hidden_activation"] = ("str", recipe.hidden_act)
    if recipe.head_size:
        result[f"{arch}.attention.key_length"] = ("u32", recipe.head_dim)
        result[f"{arch}.attention.value_length"] = ("u32", recipe.head_dim)
    kind = recipe.rope.get("rope_type")
    if kind in ("linear", "yarn"):
        result[f"{arch}.rope.scaling.type"] = ("str", kind)
        result[f"{arch}.rope.scaling.factor"] = ("f32", recipe.rope["factor"])
    if kind == "yarn":
        context = recipe.rope["original_max_position_embeddings"]
        result[f"{arch}.rope.scaling.original_context_length"] = ("u32", context)
        result[f"{arch}.rope.scaling.yarn_beta_fast"] = ("f32", recipe.rope["beta_fast"])
    if kind == "longrope":
        result[f"{arch}.rope.scaling.type"] = ("str", kind)
    if recipe.multipliers:
        depth = recipe.multipliers["scale_depth"] / recipe.layers**0.5
        result[f"{arch}.embedding_scale"] = ("f32", recipe.multipliers["scale_emb"])
        result[f"{arch}.residual_scale"] = ("f32", depth)
        base = recipe.multipliers["dim_model_base"]
        result[f"{arch}.logit_scale"] = ("f32", recipe.hidden / base)
    return result


def rotary_divisors(recipe: Recipe) -> np.ndarray:
    """rope_freqs.weight, by which the converter of Llama 3.1 expresses its rotary scaling."""
    rope = recipe.rope
    inverse = recipe.theta ** -(np.arange(0, recipe.head_dim, 2) / recipe.head_dim)
    turns = rope["original_max_position_embeddings"] * inverse / (2 * np.pi)
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    smooth = np.clip((turns - low) / (high - low), 0, 1)
    return (1 / ((1 - smooth) / rope["factor"] + smooth)).astype(np.float32)


def paired_rows(trits: np.ndarray, head_dim: int) -> np.ndarray:
    """Rows of q or k as the converter of architecture llama has them: i beside i + head_dim / 2."""
    heads = trits.reshape(-1, 2, head_dim // 2, trits.shape[1])
    return heads.swapaxes(1, 2).reshape(trits.shape)


def build(recipe: Recipe, weights: Weights, form: Form) -> Gguf:
    """The model as a GGUF file in the given form."""
    file = Gguf(version=form.version)
    file.metadata = model_metadata(recipe, form)
    file.metadata |= tokenizer_metadata(recipe.vocab, form.official_defects)
    file.tensors = tensors(recipe, weights, form)
    return file


def tensors(recipe: Recipe, weights: Weights, form: Form) -> dict[str, GgufTensor]:
    """All tensors of the model by GGUF name."""
    embedding = float_tensor(weights.embedding, form.embedding)
    result = {"token_embd.weight": embedding}
    for layer in range(recipe.layers):
        source, target = f"model.layers.{layer}.", f"blk.{layer}."
        for norm, _ in recipe.norms:
            gains = weights.norms[f"{source}{norm}.weight"]
            result[f"{target}{_NORMS[norm]}.weight"] = float_tensor(gains, "F32")
        for projection, name in LINEARS.items():
            full = source + projection
            values = weights.trits[full] if recipe.int8 else weights.masters[full]
            if recipe.family in ("llama", "mistral", "minicpm") and name in ("attn_q", "attn_k"):
                values = paired_rows(values, recipe.head_dim)
            if recipe.int8:
                linear = linear_tensor(values, weights.multiplier(full, recipe), form)
            else:
                linear = float_tensor(values, recipe.dtype)
            result[f"{target}{name}.weight"] = linear
            if recipe.input_norms:
                gains = weights.norms[f"{full}.norm.weight"]
                result[f"{target}{name}_norm_in.weight"] = float_tensor(gains, "F32")
    final = weights.norms["model.norm.weight"]
    result["output_norm.weight"] = float_tensor(final, "F32")
    if recipe.rope.get("rope_type") == "llama3":
        result["rope_freqs.weight"] = float_tensor(rotary_divisors(recipe), "F32")
    if recipe.rope.get("rope_type") == "longrope":
        for kind in ("long", "short"):
            divisors = np.array(recipe.rope[f"{kind}_factor"], np.float32)
            result[f"rope_factors_{kind}.weight"] = float_tensor(divisors, "F32")
    if weights.head is not None:
        result["output.weight"] = float_tensor(weights.head, form.embedding)
    if form.duplicate_head:
        result["output.weight"] = embedding
    return result
