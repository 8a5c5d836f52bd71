# SPDX-License-Identifier: Apache-2.0
"""Reads a .rotor file with NumPy alone, from the description in docs/formats."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

import safetensors_io
from numpy_bitnet import Layer, Linear, Model
from packing import dequantize_q4_0, dequantize_q4_k, dequantize_q6_k, dequantize_q8_0
from safetensors_io import Tensor

_NORMS = {
    "attn": "attn_norm",
    "attn_sub": "attn_sub_norm",
    "post_attn": "post_attention_norm",
    "ffn": "ffn_norm",
    "ffn_sub": "ffn_sub_norm",
    "post_ffn": "post_ffw_norm",
    "q": "attn_q_norm",
    "k": "attn_k_norm",
}


def unpack_dense243(data: np.ndarray, rows: int, cols: int) -> np.ndarray:
    """int8 trits (rows, cols) of dense243 row blocks, uint8 (ceil(rows / 16), tiles * 64).

    A tile is 16 rows by 20 columns; its byte 4r + j is the sum over d of code[r, 4d + j] * 3^d.
    """
    assert data.max(initial=0) < 243, "a byte is no five trits"
    bytes_of = data.reshape(len(data), -1, 16, 1, 4)  # (block, tile, row, digit, lane)
    powers = 3 ** np.arange(5).reshape(1, 1, 1, 5, 1)
    codes = bytes_of // powers % 3
    trits = codes.transpose(0, 2, 1, 3, 4).reshape(len(data) * 16, -1).astype(np.int8) - 1
    assert not trits[rows:].any() and not trits[:, cols:].any(), "padding is not zero"
    return trits[:rows, :cols]


def _two_bit_codes(trits: np.ndarray) -> np.ndarray:
    """uint8 (rows, ceil(cols / 4)): 0, 1, 3 for 0, +1, -1, the first in the lowest bits."""
    rows, cols = trits.shape
    codes = np.zeros((rows, -(-cols // 4) * 4), dtype=np.uint8)
    codes[:, :cols] = trits.astype(np.int64) % 4
    return (codes.reshape(rows, -1, 4) << np.array([0, 2, 4, 6], dtype=np.uint8)).sum(
        axis=2, dtype=np.uint8
    )


def trits_sha256(model: Model) -> str:
    """The checksum of all ternary values, which no container or layout changes.

    SHA-256 of the hexadecimal SHA-256 of each matrix, layer by layer, as docs/formats/rotor-file.md
    states it.
    """
    total = hashlib.sha256()
    for layer in model.layers:
        for name in ("q", "k", "v", "o", "gate", "up", "down"):
            codes = _two_bit_codes(layer.linears[name].trits)
            total.update(hashlib.sha256(codes.tobytes()).hexdigest().encode())
    return total.hexdigest()


def metadata(path: Path) -> dict[str, str]:
    """The metadata strings of a .rotor file."""
    return safetensors_io.read(path)[1]


def load(path: Path) -> Model:
    """The model of a .rotor file."""
    stored, strings = safetensors_io.read(path)
    assert strings["rotor.version"] == "1"
    config = json.loads(stored["config"].array.tobytes())
    q_rows = config["num_attention_heads"] * config["head_dim"]
    kv_rows = config["num_key_value_heads"] * config["head_dim"]
    tied, own_norms = config["tied_head"], config.get("input_norms", False)
    hidden, ffn = config["hidden_size"], config["intermediate_size"]
    shapes = {
        "q": (q_rows, hidden),
        "k": (kv_rows, hidden),
        "v": (kv_rows, hidden),
        "o": (hidden, q_rows),
        "gate": (ffn, hidden),
        "up": (ffn, hidden),
        "down": (hidden, ffn),
    }
    layers = []
    for index in range(config["num_hidden_layers"]):
        prefix = f"layers.{index}."
        linears = {
            name: Linear(
                unpack_dense243(stored[f"{prefix}{name}.weight"].array, *shape),
                stored[f"{prefix}{name}.scale"].array[0],
                norm=stored[f"{prefix}{name}.input_norm"].floats() if own_norms else None,
            )
            for name, shape in shapes.items()
        }
        norms = {
            short: stored[f"{prefix}{name}.weight"].floats()
            for short, name in _NORMS.items()
            if f"{prefix}{name}.weight" in stored
        }
        layers.append(Layer(linears, norms))
    return Model(
        heads=config["num_attention_heads"],
        kv_heads=config["num_key_value_heads"],
        theta=config["rope_theta"],
        eps=config["rms_norm_eps"],
        hidden_act=config["activation"],
        embedding=_embedding(stored["embed.weight"], config["embed_type"]),
        layers=layers,
        final_norm=stored["output_norm.weight"].floats(),
        head=_embedding(stored["head.weight"], config["head_type"]) if not tied else None,
        rope=_rope(config.get("rope_scaling", {})),
    )


def _rope(scaling: dict[str, object]) -> dict[str, object]:
    """The rope_scaling of a config.json."""
    names = {"type": "rope_type", "original_context": "original_max_position_embeddings"}
    return {names.get(key, key): value for key, value in scaling.items()}


def _embedding(tensor: Tensor, kind: str) -> np.ndarray:
    """float32 (vocab, hidden)."""
    decode = {
        "q4_0": dequantize_q4_0,
        "q4_k": dequantize_q4_k,
        "q6_k": dequantize_q6_k,
        "q8_0": dequantize_q8_0,
    }.get(kind)
    return decode(tensor.array) if decode else tensor.floats()
