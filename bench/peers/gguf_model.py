# SPDX-License-Identifier: Apache-2.0
"""Writes GGUF files of random ternary weights in the shapes that Rotor measures itself on.

The architecture is llama.cpp's ``bitnet`` (b1.58-3B): the matrices, norms and their order are those
of 2B-4T, but the feed-forward has SiLU in place of a squared ReLU. The time is right, the function
is not.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

BLOCK = 256  # weights that share a scale in TQ1_0, TQ2_0 and Q6_K
HEAD_TYPES = ("Q6_K", "F16")
TERNARY_TYPES = ("TQ1_0", "TQ2_0")
_CHUNK = 1 << 15  # blocks made at once: 8 M weights
_FILE_TYPES = {"TQ1_0": 36, "TQ2_0": 37}  # general.file_type


@dataclass(frozen=True)
class Shape:
    """The shape of a model, under the name that `rotor bench --synthetic` has for it."""

    name: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int

    def linears(self) -> dict[str, tuple[int, int]]:
        """(rows, cols) of a layer's ternary matrices."""
        kv = self.kv_heads * self.head_dim
        return {
            "attn_q": (self.heads * self.head_dim, self.hidden),
            "attn_k": (kv, self.hidden),
            "attn_v": (kv, self.hidden),
            "attn_output": (self.hidden, self.heads * self.head_dim),
            "ffn_gate": (self.ffn, self.hidden),
            "ffn_up": (self.ffn, self.hidden),
            "ffn_down": (self.hidden, self.ffn),
        }

    def weights(self) -> int:
        """Ternary weights and those of the head, which are the embedding's."""
        layer = sum(rows * cols for rows, cols in self.linears().values())
        return self.layers * layer + self.vocab * self.hidden


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("bitnet-2b-4t", 30, 2560, 20, 5, 128, 6912, 128256),
        Shape("tiny", 4, 256, 4, 2, 64, 704, 1024),
    )
}


def _tq1_0(rng: np.random.Generator, blocks: int, scale: float) -> np.ndarray:
    """A third of the weights is zero: a byte holds five trits as a fraction of 243."""
    fives = rng.integers(0, 243, (blocks, 48), dtype=np.uint16)
    fours = rng.integers(0, 81, (blocks, 4), dtype=np.uint16) * 3
    codes = (np.concatenate([fives, fours], axis=1) * 256 + 242) // 243
    return np.concatenate([codes.astype(np.uint8), _halves(blocks, scale)], axis=1)


def _tq2_0(rng: np.random.Generator, blocks: int, scale: float) -> np.ndarray:
    """Half of the weights is zero, as in Rotor's synthetic models: 3 is no code and becomes 1."""
    codes = rng.integers(0, 256, (blocks, 64), dtype=np.uint8)
    codes &= ~(codes & (codes << 1) & 0xAA)
    return np.concatenate([codes, _halves(blocks, scale)], axis=1)


def _q6_k(rng: np.random.Generator, blocks: int, scale: float) -> np.ndarray:
    """Low four and high two bits, 16 scales of eight bits (all 32 here), one scale of the block."""
    bits = rng.integers(0, 256, (blocks, 192), dtype=np.uint8)
    scales = np.full((blocks, 16), 32, np.uint8)
    return np.concatenate([bits, scales, _halves(blocks, scale / 1024)], axis=1)


def _f16(rng: np.random.Generator, blocks: int, scale: float) -> np.ndarray:
    values = rng.standard_normal((blocks, BLOCK), dtype=np.float32) * scale
    return values.astype("<f2").view(np.uint8)


def _halves(blocks: int, scale: float) -> np.ndarray:
    return np.full((blocks, 1), scale, "<f2").view(np.uint8)


_MAKERS = {"TQ1_0": _tq1_0, "TQ2_0": _tq2_0, "Q6_K": _q6_k, "F16": _f16}


def random_tensor(kind: str, rows: int, cols: int, seed: int) -> np.ndarray:
    """The bytes of a random matrix, (rows, bytes of a row)."""
    rng = np.random.default_rng(seed)
    blocks = rows * cols // BLOCK
    scale = cols**-0.5
    parts = [
        _MAKERS[kind](rng, min(_CHUNK, blocks - begin), scale) for begin in range(0, blocks, _CHUNK)
    ]
    return np.concatenate(parts).reshape(rows, -1)


def write_model(path: Path, shape: Shape, linear: str, head: str) -> None:
    """Writes ``shape`` with matrices of type ``linear`` and the tied head of type ``head``.

    ValueError: the shape has rows that are not whole blocks. Needs memory for the whole file.
    """
    import gguf

    for name, (_, cols) in shape.linears().items():
        if cols % BLOCK:
            raise ValueError(f"{linear} needs rows of a multiple of {BLOCK}, {name} has {cols}")
    part = path.with_name(path.name + ".part")
    writer = gguf.GGUFWriter(part, "bitnet")
    writer.add_file_type(_FILE_TYPES[linear])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(shape.vocab)
    writer.add_tokenizer_model("no_vocab")
    writer.add_context_length(4096)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.ffn)
    writer.add_rope_dimension_count(shape.head_dim)
    writer.add_rope_freq_base(500000.0)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)

    def add_random(name: str, kind: str, rows: int, cols: int) -> None:
        data = random_tensor(kind, rows, cols, seed=len(writer.tensors[0]))
        if kind == "F16":
            writer.add_tensor(name, data.view("<f2"))
        else:
            writer.add_tensor(name, data, raw_dtype=gguf.GGMLQuantizationType[kind])

    add_random("token_embd.weight", head, shape.vocab, shape.hidden)
    for layer in range(shape.layers):
        for name, (rows, cols) in shape.linears().items():
            add_random(f"blk.{layer}.{name}.weight", linear, rows, cols)
        norms = {"attn_norm": shape.hidden, "attn_sub_norm": shape.heads * shape.head_dim}
        norms |= {"ffn_norm": shape.hidden, "ffn_sub_norm": shape.ffn}
        for name, size in norms.items():
            writer.add_tensor(f"blk.{layer}.{name}.weight", np.ones(size, np.float32))
    writer.add_tensor("output_norm.weight", np.ones(shape.hidden, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.replace(part, path)
