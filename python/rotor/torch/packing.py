# SPDX-License-Identifier: Apache-2.0
"""transformers' packed weights: uint8 of shape (ceil(rows / 4), cols), four rows to a byte.

With P = ceil(rows / 4), bits 2i and 2i + 1 of byte (j, k) are trit + 1 of row i P + j, column k.
"""

from __future__ import annotations

import torch
from torch import Tensor


def pack_weights(trits: Tensor) -> Tensor:
    """Trits (rows, cols) as uint8 (ceil(rows / 4), cols); rows of padding are zero trits."""
    rows, cols = trits.shape
    packed_rows = (rows + 3) // 4
    codes = torch.ones((4 * packed_rows, cols), dtype=torch.uint8, device=trits.device)
    codes[:rows] = (trits + 1).to(torch.uint8)
    first, second, third, fourth = codes.view(4, packed_rows, cols)
    return first | second << 2 | third << 4 | fourth << 6


def unpack_weights(packed: Tensor, rows: int) -> Tensor:
    """The reverse, int8 (rows, cols). ValueError for code 3 and shapes, TypeError for types."""
    if packed.dtype != torch.uint8:
        raise TypeError(
            f"weight: expected uint8, got {packed.dtype} of shape {tuple(packed.shape)}"
        )
    if packed.dim() != 2 or rows < 1 or packed.shape[0] != (rows + 3) // 4:
        raise ValueError(
            f"weight: expected shape ({(rows + 3) // 4}, in_features) for {rows} rows, got "
            f"{tuple(packed.shape)}"
        )
    codes = torch.cat([packed >> shift & 3 for shift in (0, 2, 4, 6)])[:rows]
    if (codes == 3).any():
        row, col = (codes == 3).nonzero()[0].tolist()
        raise ValueError(
            f"weight: code 3 at row {row}, column {col} of a matrix of shape {tuple(codes.shape)}"
        )
    return codes.to(torch.int8) - 1
