# SPDX-License-Identifier: Apache-2.0
"""Minimal safetensors reader and writer (standard library and NumPy).

A tensor is held as ``Tensor``: its safetensors dtype name and the raw NumPy array. BF16, which
NumPy lacks, is held as uint16 bits.
"""

from __future__ import annotations

import json
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

    def floats(self) -> np.ndarray:
        """The values as float32."""
        if self.dtype == "BF16":
            return bf16_values(self.array)
        return self.array.astype(np.float32)


def encode(tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """The bytes of a safetensors file: length, JSON header padded to 8 bytes, data."""
    header: dict[str, object] = {}
    if metadata is not None:
        header["__metadata__"] = metadata
    chunks, offset = [], 0
    for name, tensor in tensors.items():
        raw = np.ascontiguousarray(tensor.array, dtype=_STORAGE[tensor.dtype]).tobytes()
        header[name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.array.shape),
            "data_offsets": [offset, offset + len(raw)],
        }
        chunks.append(raw)
        offset += len(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(chunks)


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
