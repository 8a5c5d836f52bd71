# SPDX-License-Identifier: Apache-2.0
"""Minimal safetensors reader and writer (standard library and NumPy).

A tensor is held as ``Tensor``: its safetensors dtype name and the raw NumPy array. BF16, which
NumPy lacks, is held as uint16 bits.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from packing import bf16_bits, bf16_values

_STORAGE = {
    "F32": "<f4", "F16": "<f2", "BF16": "<u2", "U8": "|u1", "I8": "|i1", "I32": "<i4", "U32": "<u4"
}


@dataclass(frozen=True)
class Tensor:
    """One tensor as stored: dtype name and array (BF16 as uint16 bits)."""

    dtype: str
    array: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, dtype: str) -> Tensor:
        """Rounds float32 values to ``dtype``, or wraps integers as they are."""
        if dtype == "BF16":
            return cls(dtype, bf16_bits(values))
        return cls(dtype, np.ascontiguousarray(values, dtype=_STORAGE[dtype]))

    def data(self) -> bytes:
        """The bytes as stored."""
        return np.ascontiguousarray(self.array, dtype=_STORAGE[self.dtype]).tobytes()

    def floats(self) -> np.ndarray:
        """The values as float32."""
        if self.dtype == "BF16":
            return bf16_values(self.array)
        return self.array.astype(np.float32)


def head(
    shapes: dict[str, tuple[str, tuple[int, ...]]], metadata: dict[str, str] | None = None
) -> bytes:
    """Length and JSON header, padded to 8 bytes, of tensors whose data follow in this order; of
    each its dtype and shape."""
    header: dict[str, object] = {}
    if metadata is not None:
        header["__metadata__"] = metadata
    offset = 0
    for name, (dtype, shape) in shapes.items():
        end = offset + math.prod(shape) * np.dtype(_STORAGE[dtype]).itemsize
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def encode(tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """The bytes of a safetensors file."""
    shapes = {name: (tensor.dtype, tensor.array.shape) for name, tensor in tensors.items()}
    return head(shapes, metadata) + b"".join(tensor.data() for tensor in tensors.values())


def write(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Writes a safetensors file."""
    path.write_bytes(encode(tensors, metadata))


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Reads a trusted safetensors file: its tensors by name and its metadata."""
    raw = path.read_bytes()
    (length,) = struct.unpack_from("<Q", raw)
    header = json.loads(raw[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    base = 8 + length
    tensors = {}
    for name, entry in header.items():
        begin, end = (base + offset for offset in entry["data_offsets"])
        array = np.frombuffer(raw[begin:end], dtype=_STORAGE[entry["dtype"]])
        tensors[name] = Tensor(entry["dtype"], array.reshape(entry["shape"]))
    return tensors, metadata
