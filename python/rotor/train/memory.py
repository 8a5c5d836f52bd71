# SPDX-License-Identifier: Apache-2.0
"""Makes glibc keep the memory that it is given back."""

import ctypes
import sys

# Parameters of mallopt(3), from <malloc.h>.
M_TRIM_THRESHOLD = -1
M_TOP_PAD = -2
M_MMAP_MAX = -4
M_ARENA_MAX = -8


def keep_freed_memory() -> None:
    """Reuses freed blocks instead of returning them to the kernel.

    A training step frees and takes hundreds of megabytes in large tensors; by default each is a
    fresh mapping whose pages the kernel clears anew, a quarter of the time of a step on a CPU.
    Does nothing where the C library is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_ARENA_MAX, 1)
    mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    mallopt(M_TOP_PAD, 256 << 20)
