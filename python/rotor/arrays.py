# SPDX-License-Identifier: Apache-2.0
"""What an argument must be, said once for all building blocks, with its shape in the message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def described(value: object) -> str:
    """Type and shape, for a message."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    return type(value).__name__


def array(value: object, name: str, dtype: type, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """The array in C order. TypeError: no array of that type; ValueError: not of that shape.

    In ``shape`` None stands for any size.
    """
    if not isinstance(value, np.ndarray) or value.dtype != dtype:
        raise TypeError(f"{name}: expected an array of {dtype.__name__}, got {described(value)}")
    if len(shape) != value.ndim or any(
        want not in (None, got) for want, got in zip(shape, value.shape, strict=True)
    ):
        raise ValueError(f"{name}: expected shape {_shown(shape)}, got {value.shape}")
    return np.ascontiguousarray(value)


def rows(value: object, name: str, dtype: type, cols: int) -> NDArray[Any]:
    """An array (..., cols), in C order."""
    if not isinstance(value, np.ndarray) or value.dtype != dtype:
        raise TypeError(f"{name}: expected an array of {dtype.__name__}, got {described(value)}")
    if value.ndim == 0 or value.shape[-1] != cols:
        raise ValueError(f"{name}: expected shape (..., {cols}), got {value.shape}")
    return np.ascontiguousarray(value)


def trits(value: object, name: str = "trits") -> NDArray[np.int8]:
    """int8 (rows, cols), at least one of each, of -1, 0 and 1."""
    found: NDArray[np.int8] = array(value, name, np.int8, (None, None))
    if found.size == 0:
        raise ValueError(f"{name}: expected at least one row and column, got {found.shape}")
    if found.min() < -1 or found.max() > 1:
        raise ValueError(
            f"{name}: expected -1, 0 and 1, got {found.min()} to {found.max()} in {found.shape}"
        )
    return found


def tokens(value: object, vocabulary: int) -> NDArray[np.int32]:
    """Token ids, at least one, of a sequence or array of integers."""
    found = np.asarray(value)
    if found.ndim != 1 or found.size == 0:
        raise ValueError(f"tokens: expected shape (tokens,), at least one, got {found.shape}")
    if not np.issubdtype(found.dtype, np.integer):
        raise TypeError(f"tokens: expected integers, got {described(found)}")
    if found.min() < 0 or found.max() >= vocabulary:
        raise ValueError(
            f"tokens: expected 0 to {vocabulary - 1}, got {found.min()} to {found.max()}"
        )
    return found.astype(np.int32)


def _shown(shape: tuple[int | None, ...]) -> str:
    sizes = ", ".join("any" if size is None else str(size) for size in shape)
    return f"({sizes}{',' if len(shape) == 1 else ''})"
