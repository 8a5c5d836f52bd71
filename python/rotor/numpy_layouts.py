# SPDX-License-Identifier: Apache-2.0
"""The packed layouts of trits in NumPy: docs/formats once more, and the same bytes.

:mod:`rotor.ops` takes these where the compiled part is missing. A matrix is cut into row blocks of
16 rows, a row block into tiles of 64 bytes along the columns; both are filled up with zero trits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rotor.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS, TILE = 16, 64
TILE_COLS = {"i2": 16, "dense243": 20, "planes2": 16}


def pack_trits(trits: NDArray[np.int8], format: str) -> NDArray[np.uint8]:
    """Bytes (row blocks, bytes of a row block) of trits (rows, cols)."""
    cols = _tile_cols(format)
    rows = trits.shape[0]
    if trits.size and (trits.min() < -1 or trits.max() > 1):
        raise ValueError("trits: expected -1, 0 and 1")
    blocks, tiles = -(-rows // ROWS), -(-trits.shape[1] // cols)
    filled = np.zeros((blocks * ROWS, tiles * cols), np.int8)
    filled[:rows, : trits.shape[1]] = trits
    tile = filled.reshape(blocks, ROWS, tiles, cols).transpose(0, 2, 1, 3)  # ... row, column
    return _PACK[format](tile).reshape(blocks, tiles * TILE)


def unpack_trits(packed: NDArray[np.uint8], rows: int, cols: int, format: str) -> NDArray[np.int8]:
    """Trits (rows, cols). FormatError: a byte that no packing makes."""
    width = _tile_cols(format)
    blocks, tiles = -(-rows // ROWS), -(-cols // width)
    if packed.shape != (blocks, tiles * TILE):
        raise ValueError(f"packed: expected ({blocks}, {tiles * TILE}), got {packed.shape}")
    tile, odd = _UNPACK[format](packed.reshape(blocks, tiles, TILE))
    if odd.any():
        at = int(np.flatnonzero(odd)[0])
        raise FormatError(f"packed: byte {at} is no code of {format}")
    whole = tile.transpose(0, 2, 1, 3).reshape(blocks * ROWS, tiles * width)
    return np.ascontiguousarray(whole[:rows, :cols])


def _tile_cols(format: str) -> int:
    if format not in TILE_COLS:
        raise ValueError(f"format: expected {', '.join(TILE_COLS)}, got {format}")
    return TILE_COLS[format]


# Byte 4r + j of a tile holds the digits t + 1 of row r at columns j, 4 + j, 8 + j, ...
def _pack_digits(tile: NDArray[np.int8], base: int) -> NDArray[np.uint8]:
    digits = (tile + 1).astype(np.uint8).reshape(*tile.shape[:3], -1, 4)  # row, d, j
    powers = (base ** np.arange(digits.shape[3])).astype(np.uint8)
    packed: NDArray[np.uint8] = (digits * powers[:, None]).sum(axis=3, dtype=np.uint8)
    return packed


def _unpack_digits(packed: NDArray[np.uint8], base: int, count: int) -> NDArray[np.int8]:
    lanes = packed.reshape(*packed.shape[:2], ROWS, 4)
    digits = np.stack([lanes // base**d % base for d in range(count)], axis=3)  # row, d, j
    return (digits.astype(np.int8) - 1).reshape(*packed.shape[:2], ROWS, 4 * count)


def _unpack_i2(packed: NDArray[np.uint8]) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    return _unpack_digits(packed, 4, 4), (packed & packed >> 1 & 0x55) != 0


def _unpack_dense243(packed: NDArray[np.uint8]) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    return _unpack_digits(packed, 3, 5), packed > 242


# Bit 64 d + 4 r + j of a plane is trit (r, 4 d + j): 32 bytes "nonzero", then 32 "negative".
def _pack_planes2(tile: NDArray[np.int8]) -> NDArray[np.uint8]:
    places = tile.reshape(*tile.shape[:2], ROWS, 4, 4).transpose(0, 1, 3, 2, 4)  # d, row, j
    planes = np.stack([places != 0, places < 0], axis=2)
    bits = planes.reshape(*tile.shape[:2], 2, 4 * ROWS * 4)
    return np.packbits(bits, axis=-1, bitorder="little")


def _unpack_planes2(packed: NDArray[np.uint8]) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    planes = packed.reshape(*packed.shape[:2], 2, TILE // 2)
    bits = np.unpackbits(planes, axis=-1, bitorder="little").astype(np.int8)
    values = bits[:, :, 0] - 2 * bits[:, :, 1]
    tile = values.reshape(*packed.shape[:2], 4, ROWS, 4).transpose(0, 1, 3, 2, 4)
    odd = np.zeros(packed.shape, bool)
    odd[..., TILE // 2 :] = (planes[:, :, 1] & ~planes[:, :, 0]) != 0
    return tile.reshape(*packed.shape[:2], ROWS, 16), odd


_PACK = {
    "i2": lambda tile: _pack_digits(tile, 4),
    "dense243": lambda tile: _pack_digits(tile, 3),
    "planes2": _pack_planes2,
}
_UNPACK = {"i2": _unpack_i2, "dense243": _unpack_dense243, "planes2": _unpack_planes2}
