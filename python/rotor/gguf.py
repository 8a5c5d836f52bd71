# SPDX-License-Identifier: Apache-2.0
"""GGUF files: their metadata and tensors as NumPy arrays.

    file = GGUFFile("model.gguf")
    file.metadata["general.architecture"]
    file.tensors["token_embd.weight"].shape          # rows first, as NumPy has it
    file.read("output_norm.weight")                  # float32
    file.trits("blk.0.attn_q.weight")                # int8 trits and their scales

Versions 2 and 3, little-endian. Every size is checked against the file before it is believed.
:func:`rotor.bitnet_model.load_bitnet_model` makes a model of one; this is for looking inside.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from rotor.errors import FormatError, UnsupportedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAGIC = b"GGUF"
MOST_DIMENSIONS = 4
STRING, ARRAY = 8, 9
# Types of metadata values: one struct each.
_SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
# Types of tensors: name, values of a block, bytes of a block.
TYPES = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    8: ("Q8_0", 32, 34),
    12: ("Q4_K", 256, 144),
    14: ("Q6_K", 256, 210),
    24: ("I8", 1, 1),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    36: ("I2_S", 4, 1),  # the codes; scale and padding follow them
}


@dataclass(frozen=True)
class GGUFTensor:
    """A tensor of the file. shape: rows first. type: its name, or "type N" where it is not known
    here;
    offset: of its first byte in the file; nbytes: None where the type is not known."""

    name: str
    shape: tuple[int, ...]
    type: str
    offset: int
    nbytes: int | None


class _Reader:
    """Little-endian values of a file that end where it ends."""

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self.path, self.file, self.size, self.at = path, file, size, 0

    def take(self, count: int, what: str) -> bytes:
        taken = self.file.read(count) if count <= self.size - self.at else b""
        if len(taken) != count:
            raise FormatError(
                f"{self.path}: {what} at byte {self.at} takes {count} bytes, the file has "
                f"{self.size - self.at} more"
            )
        self.at += count
        return taken

    def scalar(self, form: str, what: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form), what))[0]

    def string(self, what: str) -> str:
        text = self.take(self.scalar("<Q", what), what)
        return text.decode(errors="replace")

    def value(self, kind: int, what: str) -> Any:
        if kind in _SCALARS:
            return self.scalar(_SCALARS[kind], what)
        if kind == STRING:
            return self.string(what)
        if kind != ARRAY:
            raise FormatError(f"{self.path}: {what}: no value has type {kind}")
        inner, count = self.scalar("<I", what), self.scalar("<Q", what)
        if inner in _SCALARS:
            form = _SCALARS[inner]
            data = self.take(count * struct.calcsize(form), what)
            return np.frombuffer(data, form if form != "<?" else "?").tolist()
        if inner == STRING:
            if count > (self.size - self.at) // 8:
                raise FormatError(f"{self.path}: {what}: {count} strings do not fit the file")
            return [self.string(what) for _ in range(count)]
        raise UnsupportedError(f"{self.path}: {what}: an array of values of type {inner}")


class GGUFFile:
    """An opened file. ``metadata``: values by key; ``tensors``: :class:`GGUFTensor` by name.

    FormatError, a ValueError: the file contradicts its format, or itself; the message names place
    and sizes. UnsupportedError: well-formed, but not read here. Nothing large is read before it is
    asked for.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        with self.path.open("rb") as file:
            self._size = file.seek(0, os.SEEK_END)
            file.seek(0)
            self._read_header(_Reader(self.path, file, self._size))

    def read(self, name: str) -> NDArray[Any]:
        """The values of a tensor of floats or int8, as float32 or int8; its bytes, uint8, of a
        block
        type."""
        tensor, data = self._bytes(name)
        if tensor.type == "F32":
            return data.view("<f4").reshape(tensor.shape)
        if tensor.type == "F16":
            return data.view("<f2").astype(np.float32).reshape(tensor.shape)
        if tensor.type == "BF16":
            wide = data.view("<u2").astype(np.uint32) << np.uint32(16)
            return wide.view(np.float32).reshape(tensor.shape)
        return data.view(np.int8).reshape(tensor.shape) if tensor.type == "I8" else data

    def trits(self, name: str) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
        """Trits int8 (rows, cols) and scales of a TQ1_0 or TQ2_0 tensor: float32 (rows, cols /
        256),
        one for each 256 columns.

        I2_S has no one meaning (its blocks differ between programs): ``load_bitnet_model`` finds it
        out.
        """
        tensor, data = self._bytes(name)
        if tensor.type not in _TERNARY or len(tensor.shape) != 2:
            raise UnsupportedError(
                f"{self.path}: {name}: {tensor.type} of shape {tensor.shape} as trits"
            )
        _, values, size = next(entry for entry in TYPES.values() if entry[0] == tensor.type)
        blocks = data.reshape(-1, size)
        codes = _TERNARY[tensor.type](blocks[:, :-2])
        if (codes > 2).any():
            block = int(np.argwhere(codes > 2)[0][0])
            raise FormatError(f"{self.path}: {name}: block {block} holds a code that is no trit")
        scales = np.ascontiguousarray(blocks[:, -2:]).view("<f2").astype(np.float32)
        rows, cols = tensor.shape
        trits = codes.astype(np.int8).reshape(rows, cols) - np.int8(1)
        return trits, scales.reshape(rows, cols // values)

    def _read_header(self, reader: _Reader) -> None:
        if reader.take(4, "magic") != MAGIC:
            raise FormatError(f"{self.path}: does not begin with GGUF")
        self.version: int = reader.scalar("<I", "version")
        if self.version not in (2, 3):
            raise UnsupportedError(f"{self.path}: version {self.version}; 2 and 3 are read")
        count, keys = reader.scalar("<Q", "tensor count"), reader.scalar("<Q", "key count")
        self.metadata: dict[str, Any] = {}
        for _ in range(keys):
            key = reader.string("a key")
            if key in self.metadata:
                raise FormatError(f"{self.path}: the key {key} twice")
            self.metadata[key] = reader.value(reader.scalar("<I", key), key)
        headers = []
        for _ in range(count):
            headers.append(self._header(reader))
        align = self.metadata.get("general.alignment", 32)
        if not isinstance(align, int) or align < 1 or align & (align - 1):
            raise FormatError(f"{self.path}: general.alignment is {align}")
        begin = -(-reader.at // align) * align
        self.tensors: dict[str, GGUFTensor] = {}
        for name, shape, kind, offset in headers:
            if name in self.tensors:
                raise FormatError(f"{self.path}: the tensor {name} twice")
            self.tensors[name] = self._tensor(name, shape, kind, begin + offset)

    def _header(self, reader: _Reader) -> tuple[str, tuple[int, ...], int, int]:
        name = reader.string("a tensor's name")
        dimensions = reader.scalar("<I", name)
        if not 1 <= dimensions <= MOST_DIMENSIONS:
            raise FormatError(f"{self.path}: {name} has {dimensions} dimensions")
        sizes = [reader.scalar("<Q", name) for _ in range(dimensions)]
        return name, tuple(reversed(sizes)), reader.scalar("<I", name), reader.scalar("<Q", name)

    def _tensor(self, name: str, shape: tuple[int, ...], kind: int, offset: int) -> GGUFTensor:
        if kind not in TYPES:
            return GGUFTensor(name, shape, f"type {kind}", offset, None)
        type_name, values, size = TYPES[kind]
        count = 1
        for dimension in shape:
            count *= dimension
        if count == 0 or shape[-1] % values:
            raise FormatError(f"{self.path}: {name}: {type_name} of shape {shape}")
        nbytes = count // values * size
        if offset + nbytes > self._size:
            raise FormatError(
                f"{self.path}: {name}: {type_name} of shape {shape} is bytes {offset} to "
                f"{offset + nbytes} of a file of {self._size}"
            )
        return GGUFTensor(name, shape, type_name, offset, nbytes)

    def _bytes(self, name: str) -> tuple[GGUFTensor, NDArray[np.uint8]]:
        if name not in self.tensors:
            raise KeyError(f"{self.path}: no tensor {name}")
        tensor = self.tensors[name]
        if tensor.nbytes is None:
            raise UnsupportedError(f"{self.path}: {name}: {tensor.type} is not read")
        data = np.fromfile(self.path, np.uint8, tensor.nbytes, offset=tensor.offset)
        if len(data) != tensor.nbytes:
            raise FormatError(f"{self.path}: {name}: the file became shorter")
        return tensor, data


def _tq2_0(blocks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Codes (blocks, 256): two runs of 32 bytes, each the four quarters of 128 values."""
    shifts = np.array([0, 2, 4, 6], np.uint8)[:, None]
    codes: NDArray[np.uint8] = (blocks.reshape(-1, 2, 1, 32) >> shifts) & np.uint8(3)
    return codes.reshape(len(blocks), 256)


def _tq1_0(blocks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Codes (blocks, 256): base 3 as a fraction of 256, five digits in 32 + 16 bytes, four in 4."""

    def digits(part: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
        powers = (3 ** np.arange(count)).astype(np.uint8)
        turned = part[:, None, :] * powers[:, None]  # modulo 256
        return ((turned.astype(np.uint16) * 3) >> 8).astype(np.uint8).reshape(len(part), -1)

    parts = [digits(blocks[:, :32], 5), digits(blocks[:, 32:48], 5), digits(blocks[:, 48:52], 4)]
    return np.concatenate(parts, axis=1)


_TERNARY: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "TQ1_0": _tq1_0,
    "TQ2_0": _tq2_0,
}
