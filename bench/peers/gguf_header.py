# SPDX-License-Identifier: Apache-2.0
"""Reads from the header of any GGUF file what a generated token costs.

Sizes come from the tensors' offsets, so types that only a fork of llama.cpp has count as well;
PyPI's gguf refuses them.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

# Types that an embedding or head has in practice, by their number in the file.
_TYPES = {0: "F32", 1: "F16", 2: "Q4_0", 6: "Q5_0", 8: "Q8_0", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K"}
_TYPES |= {30: "BF16", 34: "TQ1_0", 35: "TQ2_0", 36: "I2_S", 134: "IQ1_BN", 135: "IQ2_BN"}


@dataclass(frozen=True)
class TokenCost:
    """bytes: of the tensors that a generated token reads, without the cache.

    linears: type of the largest matrix of a layer. head: type of the head.
    """

    bytes: int
    linears: str
    head: str


class _Reader:
    """Walks over the header of a GGUF file (version 2 or 3, little-endian).

    ValueError with the byte where the header is damaged.
    """

    SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
    STRING, ARRAY, UINT32 = 8, 9, 4

    def __init__(self, data: mmap.mmap, at: int) -> None:
        self.data, self.at = data, at

    def skip(self, size: int) -> int:
        """Passes over ``size`` bytes; where they began."""
        begin = self.at
        if size > len(self.data) - begin:
            raise ValueError(f"damaged GGUF file: byte {begin}: {size} bytes more than there are")
        self.at += size
        return begin

    def take(self, code: str) -> int:
        begin = self.skip(struct.calcsize("<" + code))
        return struct.unpack_from("<" + code, self.data, begin)[0]

    def text(self) -> str:
        begin = self.skip(self.take("Q"))
        return self.data[begin : self.at].decode(errors="replace")

    def size_of(self, kind: int) -> int:
        if kind not in self.SIZES:
            raise ValueError(f"damaged GGUF file: byte {self.at}: a value of type {kind}")
        return self.SIZES[kind]

    def value(self, kind: int) -> int | None:
        """Passes over a value; its number if it is an unsigned one of 32 bits."""
        if kind == self.UINT32:
            return self.take("I")
        if kind == self.STRING:
            self.text()
        elif kind == self.ARRAY:
            kind, count = self.take("I"), self.take("Q")
            if kind == self.STRING:
                for _ in range(count):
                    self.text()
            else:
                self.skip(count * self.size_of(kind))
        else:
            self.skip(self.size_of(kind))
        return None


def _read_table(data: mmap.mmap) -> tuple[dict[str, tuple[int, int]], int]:
    """Name -> (offset, type) of the tensors, and how many bytes of data they share."""
    reader = _Reader(data, 8)
    tensors, keys = reader.take("Q"), reader.take("Q")
    alignment = 32
    for _ in range(keys):
        key = reader.text()
        value = reader.value(reader.take("I"))
        alignment = value if key == "general.alignment" and value else alignment
    table = {}
    for _ in range(tensors):
        name = reader.text()
        reader.skip(8 * reader.take("I"))
        kind, offset = reader.take("I"), reader.take("Q")
        table[name] = (offset, kind)
    total = len(data) - (reader.at + -reader.at % alignment)
    for name, (offset, _) in table.items():
        if offset > total:
            raise ValueError(f"damaged GGUF file: tensor {name} begins behind the end")
    return table, total


def token_cost(path: Path) -> TokenCost:
    """ValueError: not a GGUF file, or a damaged one."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[:4] != b"GGUF":
            raise ValueError(f"{path}: no GGUF file")
        try:
            table, total = _read_table(data)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    head = "output.weight" if "output.weight" in table else "token_embd.weight"
    if head not in table:
        raise ValueError(f"{path}: neither output.weight nor token_embd.weight")
    ends = sorted(offset for offset, _ in table.values())[1:] + [total]
    sizes = dict(zip(sorted(table, key=lambda name: table[name][0]), ends, strict=True))
    sizes = {name: end - table[name][0] for name, end in sizes.items()}
    unread = sizes.get("token_embd.weight", 0) if head == "output.weight" else 0
    layers = [name for name in sizes if name.startswith("blk.")] or [head]
    largest = max(layers, key=sizes.get)
    kinds = [_TYPES.get(table[name][1], f"type {table[name][1]}") for name in (largest, head)]
    return TokenCost(sum(sizes.values()) - unread, *kinds)
