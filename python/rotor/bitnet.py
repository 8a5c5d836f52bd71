# SPDX-License-Identifier: Apache-2.0
"""The packed weights of BitNet checkpoints, and Rotor's two bit-planes.

A BitNet checkpoint (``weight`` of dtype uint8 beside ``weight_scale``) keeps four rows in a byte:
with ``quarter = ceil(rows / 4)``, bits 2i and 2i + 1 of byte (r, c) are trit + 1 of row i * quarter
+ r.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rotor import arrays, ops
from rotor.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def pack_bitnet_weights(trits: NDArray[np.int8]) -> NDArray[np.uint8]:
    """uint8 (ceil(rows / 4), cols), as in a BitNet checkpoint, of int8 trits (rows, cols)."""
    found = arrays.trits(trits)
    quarter = -(-found.shape[0] // 4)
    codes = np.ones((4 * quarter, found.shape[1]), np.uint8)  # missing rows: zeros
    codes[: found.shape[0]] = found + 1
    parts: NDArray[np.uint8] = codes.reshape(4, quarter, -1)
    packed: NDArray[np.uint8] = parts[0] | parts[1] << 2 | parts[2] << 4 | parts[3] << 6
    return packed


def unpack_bitnet_weights(packed: NDArray[np.uint8], rows: int | None = None) -> NDArray[np.int8]:
    """int8 trits (rows, cols) of a checkpoint's bytes; rows: all four of each byte unless given.

    FormatError, a ValueError: a code that is no trit.
    """
    found = arrays.array(packed, "packed", np.uint8, (None, None))
    most = 4 * found.shape[0]
    count = most if rows is None else rows
    if found.size == 0 or -(-count // 4) != found.shape[0]:
        raise ValueError(
            f"rows: expected {max(1, most - 3)} to {most} for {found.shape}, got {rows}"
        )
    codes = np.concatenate([found >> shift & 3 for shift in (0, 2, 4, 6)])[:count]
    if (odd := np.argwhere(codes == 3)).size:
        row, col = odd[0]
        raise FormatError(f"packed: code 3 at row {row}, column {col} of {codes.shape} is no trit")
    return codes.astype(np.int8) - np.int8(1)


def bitnet_to_rotor(packed: NDArray[np.uint8], rows: int | None = None) -> NDArray[np.uint8]:
    """A checkpoint's bytes (ceil(rows / 4), cols) as two bit-planes (docs/formats/planes2.md):
    uint8 (ceil(rows / 16), 64 ceil(cols / 16))."""
    return ops.pack_trits(unpack_bitnet_weights(packed, rows), "planes2")


def rotor_unpack_weights(packed: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.int8]:
    """int8 trits (rows, cols) = ``shape`` of two bit-planes.

    ValueError: bytes of another shape; FormatError, a ValueError: a sign without a value.
    """
    count, cols = shape
    if count < 1 or cols < 1:
        raise ValueError(f"shape: expected at least one row and column, got {shape}")
    found = arrays.array(packed, "packed", np.uint8, (-(-count // 16), 64 * -(-cols // 16)))
    return ops.unpack_trits(found, count, cols, "planes2")
