# SPDX-License-Identifier: Apache-2.0
"""The product of activations with a ternary matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import numpy as np

from rotor import arrays, ops

if TYPE_CHECKING:
    from numpy.typing import NDArray

Weights = "NDArray[np.int8] | ops.PackedMatrix"


@overload
def ternary_gemm(
    x: NDArray[np.int8], w: NDArray[np.int8] | ops.PackedMatrix
) -> NDArray[np.int32]: ...


@overload
def ternary_gemm(
    x: NDArray[np.float32], w: NDArray[np.int8] | ops.PackedMatrix
) -> NDArray[np.float32]: ...


def ternary_gemm(x: NDArray[Any], w: NDArray[np.int8] | ops.PackedMatrix) -> NDArray[Any]:
    """x (..., cols) times w (rows, cols) transposed: (..., rows).

    x of int8: exact sums, int32. x of float32: each vector becomes int8 by its largest magnitude,
    the sums are exact, then scaled (docs/numerics.md): float32. w: int8 trits, which are packed for
    this call, or a ``rotor.ops.PackedMatrix``, which keeps them packed and may have scales.

    TypeError: another type; ValueError: shapes that do not fit, a value that is no trit;
    FloatingPointError: infinity or NaN in x.
    """
    packed = w if isinstance(w, ops.PackedMatrix) else ops.PackedMatrix(arrays.trits(w, "w"), 1.0)
    kind = np.int8 if isinstance(x, np.ndarray) and x.dtype == np.int8 else np.float32
    found = arrays.rows(x, "x", kind, packed.shape[1])
    return packed.matmul_int8(found) if kind is np.int8 else packed.matmul(found)
