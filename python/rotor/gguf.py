# SPDX-License-Identifier: Apache-2.0
"""GGUF files: their metadata and tensors as NumPy arrays.

    file = GGUFFile("model.gguf")
    file.metadata["general.architecture"]
    file.tensors["token_embd.weight"].shape          # rows first, as NumPy has it
    file.read("output_norm.weight")                  # float32, of blocks too
    file.trits("blk.0.attn_q.weight")                # int8 trits and their scales

Versions 2 and 3, little-endian; of a file in several parts, one part. Every size is checked against
the file before it is believed.
:func:`rotor.bitnet_model.load_bitnet_model` makes a model of one; this is for looking inside.
"""

from __future__ import annotations

import bisect
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from rotor.errors import FormatError, UnsupportedError
from rotor.gguf_blocks import BLOCK_TYPES, BlockType

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
# Types of tensors beside those of rotor.gguf_blocks; of I2_S the codes, which a scale follows.
_PLAIN = {
    0: BlockType("F32", 1, 4),
    1: BlockType("F16", 1, 2),
    24: BlockType("I8", 1, 1),
    30: BlockType("BF16", 1, 2),
    36: BlockType("I2_S", 4, 1),
}


@dataclass(frozen=True)
class GGUFTensor:
    """A tensor of the file.

    shape: rows first. type: its name, or "type N" where it is not known here. offset: of its first
    byte in the file. nbytes: None where the type is not known.
    """

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
        """The values of a tensor in its shape: float32, or int8 of an I8 tensor.

        Floats as they are, blocks of integers times their scales, trits times theirs. I2_S has no
        one meaning (its blocks differ between programs) and is UnsupportedError:
        ``load_bitnet_model`` finds it out, :meth:`raw` has its bytes.
        """
        tensor, data = self.tensor(name), self.raw(name)
        if tensor.type == "F32":
            return data.view("<f4").reshape(tensor.shape)
        if tensor.type == "F16":
            return data.view("<f2").astype(np.float32).reshape(tensor.shape)
        if tensor.type == "BF16":
            wide = data.view("<u2").astype(np.uint32) << np.uint32(16)
            return wide.view(np.float32).reshape(tensor.shape)
        if tensor.type == "I8":
            return data.view(np.int8).reshape(tensor.shape)
        kind = self._kinds[name]
        if kind.codes is not None:
            trits, scales = self.trits(name)
            return trits * np.repeat(scales, kind.values, axis=-1)
        if kind.floats is None:
            raise UnsupportedError(f"{self.path}: {name}: {tensor.type} as floats")
        return kind.floats(data.reshape(-1, kind.bytes)).reshape(tensor.shape)

    def trits(self, name: str) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
        """Trits int8 (..., cols) and scales float32 (..., cols / n), one for n columns: 256 of
        TQ1_0 and TQ2_0, 128 of PQ2_0 and PTQ1_0, 64 or 128 of Q2_0. UnsupportedError for other
        types, FormatError for codes that are no trits."""
        tensor, data = self.tensor(name), self.raw(name)
        kind = self._kinds[name]
        if kind.codes is None:
            raise UnsupportedError(
                f"{self.path}: {name}: {tensor.type} of shape {tensor.shape} as trits"
            )
        blocks = data.reshape(-1, kind.bytes)
        codes = kind.codes(blocks)
        if (codes > 2).any():
            block = int(np.argwhere(codes > 2)[0][0])
            raise FormatError(f"{self.path}: {name}: block {block} holds a code that is no trit")
        trits = codes.astype(np.int8).reshape(tensor.shape) - np.int8(1)
        return trits, kind.scales(blocks).reshape(*tensor.shape[:-1], -1)

    def tensor(self, name: str) -> GGUFTensor:
        """KeyError with the file's path where there is none."""
        if name not in self.tensors:
            raise KeyError(f"{self.path}: no tensor {name}")
        return self.tensors[name]

    def raw(self, name: str) -> NDArray[np.uint8]:
        """The bytes of a tensor, (nbytes,). UnsupportedError where its type is not known."""
        tensor = self.tensor(name)
        if tensor.nbytes is None:
            raise UnsupportedError(f"{self.path}: {name}: {tensor.type} is not read")
        data = np.fromfile(self.path, np.uint8, tensor.nbytes, offset=tensor.offset)
        if len(data) != tensor.nbytes:
            raise FormatError(f"{self.path}: {name}: the file became shorter")
        return data

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
        ends = sorted({self._size - begin, *(offset for *_, offset in headers)})
        self.tensors: dict[str, GGUFTensor] = {}
        self._kinds: dict[str, BlockType] = {}
        for name, shape, kind, offset in headers:
            if name in self.tensors:
                raise FormatError(f"{self.path}: the tensor {name} twice")
            after = ends[min(bisect.bisect_right(ends, offset), len(ends) - 1)]
            self._add(name, shape, kind, begin + offset, after - offset, align)

    def _header(self, reader: _Reader) -> tuple[str, tuple[int, ...], int, int]:
        name = reader.string("a tensor's name")
        dimensions = reader.scalar("<I", name)
        if not 1 <= dimensions <= MOST_DIMENSIONS:
            raise FormatError(f"{self.path}: {name} has {dimensions} dimensions")
        sizes = [reader.scalar("<Q", name) for _ in range(dimensions)]
        return name, tuple(reversed(sizes)), reader.scalar("<I", name), reader.scalar("<Q", name)

    def _add(
        self, name: str, shape: tuple[int, ...], number: int, offset: int, span: int, align: int
    ) -> None:
        """A tensor whose bytes, and what fills up to the next, are `span`."""
        count = 1
        for dimension in shape:
            count *= dimension
        if count == 0:
            raise FormatError(f"{self.path}: {name} has shape {shape}")
        kinds = (_PLAIN[number],) if number in _PLAIN else BLOCK_TYPES.get(number, ())
        if len(kinds) > 1:  # one id, several meanings: the one that takes what there is
            sizes = {kind: count // kind.values * kind.bytes for kind in kinds}
            kinds = tuple(k for k in kinds if sizes[k] <= span < sizes[k] + align)
        if len(kinds) != 1:
            self.tensors[name] = GGUFTensor(name, shape, f"type {number}", offset, None)
            return
        (kind,) = kinds
        if shape[-1] % kind.values:
            raise FormatError(f"{self.path}: {name}: {kind.name} of shape {shape}")
        nbytes = count // kind.values * kind.bytes
        if offset + nbytes > self._size:
            raise FormatError(
                f"{self.path}: {name}: {kind.name} of shape {shape} is bytes {offset} to "
                f"{offset + nbytes} of a file of {self._size}"
            )
        self.tensors[name] = GGUFTensor(name, shape, kind.name, offset, nbytes)
        self._kinds[name] = kind
