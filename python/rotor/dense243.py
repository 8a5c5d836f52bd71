# SPDX-License-Identifier: Apache-2.0
"""dense243: five trits a byte, 1.6 bits a weight; docs/formats/dense243.md has the layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rotor import arrays, ops

if TYPE_CHECKING:
    from numpy.typing import NDArray


def pack(trits: NDArray[np.int8]) -> NDArray[np.uint8]:
    """uint8 (ceil(rows / 16), 64 ceil(cols / 20)) of int8 trits (rows, cols).

    TypeError: another type than int8; ValueError: another shape, empty, or a value that is no trit.
    """
    return ops.pack_trits(arrays.trits(trits), "dense243")


def unpack(packed: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.int8]:
    """int8 trits (rows, cols) = ``shape`` of what :func:`pack` makes.

    ValueError: bytes of another shape; FormatError, a ValueError: a byte above 242.
    """
    count, cols = shape
    if count < 1 or cols < 1:
        raise ValueError(f"shape: expected at least one row and column, got {shape}")
    found = arrays.array(packed, "packed", np.uint8, (-(-count // 16), 64 * -(-cols // 20)))
    return ops.unpack_trits(found, count, cols, "dense243")
