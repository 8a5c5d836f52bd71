# SPDX-License-Identifier: Apache-2.0
"""A .rotor file (docs/formats/rotor-file.md) in NumPy: what ``rotor._core.ModelFile`` gives of it.

:mod:`rotor.bitnet_model` takes this where the compiled part is missing. Every size is checked
against the file before anything is read.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rotor import dense243, numpy_ops
from rotor.errors import FormatError, UnsupportedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

MOST_HEADER = 100 << 20
DTYPES: dict[str, type] = {"U8": np.uint8, "F32": np.float32, "F16": np.float16, "BF16": np.uint16}
SIZES = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "head_dim")
HEADS = ("num_attention_heads", "num_key_value_heads")
MOST_SIZE = 1 << 24


class RotorFile:
    """FormatError, UnsupportedError, FileNotFoundError and OSError name the file and the tensor."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        with self.path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(size - 8, MOST_HEADER):
                raise FormatError(f"{path}: a header of {length} bytes in a file of {size}")
            text = file.read(length)
        self._begin, self._size = 8 + length, size
        try:
            header = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{path}: the header is no JSON: {error}") from error
        if not isinstance(header, dict) or not isinstance(header.get("__metadata__"), dict):
            raise FormatError(f"{path}: the header has no metadata")
        if header["__metadata__"].get("rotor.version") != "1":
            raise UnsupportedError(
                f"{path}: no .rotor file of version 1; other files need the compiled part"
            )
        self._header = header
        self._config_text = self._tensor("config").tobytes()
        self._config = self._read_config()

    @property
    def config(self) -> str:
        return self._config_text.decode()

    def trits(self, layer: int, name: str) -> NDArray[np.int8]:
        rows, cols = self._shape(name)
        tensor = f"layers.{layer}.{name}.weight"
        packed = self._tensor(tensor, np.uint8, (-(-rows // 16), 64 * -(-cols // 20)))
        try:
            return dense243.unpack(packed, (rows, cols))
        except FormatError as error:
            raise FormatError(f"{self.path}: {tensor}: {error}") from error

    def scale(self, layer: int, name: str) -> Floats:
        found = self._tensor(f"layers.{layer}.{name}.scale")
        rows, _ = self._shape(name)
        if found.dtype == np.uint16 or (found.shape not in ((1,), (rows,)) and found.ndim != 2):
            raise FormatError(f"{self.path}: layers.{layer}.{name}.scale of shape {found.shape}")
        return found.astype(np.float32)

    def group_cols(self, layer: int, name: str) -> int:
        scale = self.scale(layer, name)
        rows, cols = self._shape(name)
        if scale.ndim == 1:
            return 0
        for group in (64, 128, 256):
            if scale.shape == (rows, -(-cols // group)):
                return group
        raise FormatError(f"{self.path}: layers.{layer}.{name}.scale of shape {scale.shape}")

    def input_norm(self, layer: int, name: str) -> Floats | None:
        return self._floats(f"layers.{layer}.{name}.input_norm")

    def norm(self, layer: int, name: str) -> Floats | None:
        return self._floats(f"layers.{layer}.{name}.weight")

    def output_norm(self) -> Floats | None:
        return self._floats("output_norm.weight")

    def embedding(self) -> Floats:
        return self._table("embed.weight", str(self._config.get("embed_type")))

    def head(self) -> Floats | None:
        tied = self._config.get("tied_head", True)
        return None if tied else self._table("head.weight", str(self._config.get("head_type")))

    def inverse_frequencies(self) -> Floats:
        theta = float(self._config["rope_theta"])
        inverse = numpy_ops.inverse_frequencies(theta, int(self._config["head_dim"]))
        return numpy_ops.scale_frequencies(inverse, self._config.get("rope_scaling", {}))

    def tokenizer(self) -> str:
        """The text of its tokenizer.json."""
        found = self._tensor("tokenizer").tobytes()
        try:
            return found.decode()
        except UnicodeDecodeError as error:
            raise UnsupportedError(
                f"{self.path}: this tokenizer needs the compiled part"
            ) from error

    def _read_config(self) -> dict[str, Any]:
        try:
            config = json.loads(self._config_text)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{self.path}: the config is no JSON: {error}") from error
        if not isinstance(config, dict):
            raise FormatError(f"{self.path}: the config is no JSON object")
        for name in (*SIZES, *HEADS):
            value = config.get(name)
            if not isinstance(value, int) or not 0 < value < MOST_SIZE:
                raise FormatError(f"{self.path}: config: {name} is {value}")
        theta = config.get("rope_theta")
        if not isinstance(theta, int | float) or not 1 < theta < 1e12 or config["head_dim"] % 2:
            raise FormatError(
                f"{self.path}: config: rope_theta {theta}, head_dim {config['head_dim']}"
            )
        return config

    def _shape(self, name: str) -> tuple[int, int]:
        c = self._config
        q, kv = (c[heads] * c["head_dim"] for heads in HEADS)
        hidden, ffn = c["hidden_size"], c["intermediate_size"]
        shapes = {"q": (q, hidden), "k": (kv, hidden), "v": (kv, hidden), "o": (hidden, q)}
        shapes |= {"gate": (ffn, hidden), "up": (ffn, hidden), "down": (hidden, ffn)}
        if name not in shapes:
            raise ValueError(f"name: expected {', '.join(shapes)}, got {name}")
        return shapes[name]

    def _floats(self, name: str) -> Floats | None:
        return (
            None if name not in self._header else self._tensor(name, np.float32).astype(np.float32)
        )

    def _table(self, name: str, kind: str) -> Floats:
        if kind not in ("f32", "f16", "bf16"):
            raise UnsupportedError(f"{self.path}: {name}: {kind} needs the compiled part")
        dtype = {"f32": np.float32, "f16": np.float16, "bf16": np.uint16}[kind]
        found = self._tensor(name, dtype, (self._config["vocab_size"], self._config["hidden_size"]))
        if kind == "bf16":
            return (found.astype(np.uint32) << np.uint32(16)).view(np.float32)
        return found.astype(np.float32)

    def _tensor(
        self, name: str, dtype: type | None = None, shape: tuple[int, ...] | None = None
    ) -> NDArray[Any]:
        entry: Any = self._header.get(name)
        try:
            found = tuple(int(size) for size in entry["shape"])
            begin, end = (int(offset) for offset in entry["data_offsets"])
            kind = np.dtype(DTYPES[entry["dtype"]])
        except (TypeError, KeyError, ValueError) as error:
            raise FormatError(f"{self.path}: no tensor {name} that can be read: {entry}") from error
        count = 1
        for size in found:
            count *= size
        if not 0 <= begin <= end <= self._size - self._begin or min(found, default=1) < 0:
            raise FormatError(f"{self.path}: {name}: bytes {begin} to {end} of the file's data")
        if count * kind.itemsize != end - begin:
            raise FormatError(f"{self.path}: {name}: shape {found} in {end - begin} bytes")
        if (dtype is not None and kind != dtype) or (shape is not None and found != shape):
            raise FormatError(f"{self.path}: {name}: expected {dtype} {shape}, got {kind} {found}")
        return np.fromfile(self.path, kind, count, offset=self._begin + begin).reshape(found)
