# SPDX-License-Identifier: Apache-2.0
"""What the building blocks compute with: the engine's kernels, or NumPy's twin of them where the
compiled part is missing. Both give the same bits; ``COMPILED`` tells which it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rotor._core import (
        PackedMatrix,
        Sampler,
        SamplingParams,
        attend,
        dot_rows,
        gated,
        inverse_frequencies,
        pack_trits,
        quantize,
        rms_norm,
        rope,
        rotary,
        unpack_trits,
    )

    COMPILED: bool
else:
    try:
        from rotor._core import (
            PackedMatrix,
            Sampler,
            SamplingParams,
            attend,
            dot_rows,
            gated,
            inverse_frequencies,
            pack_trits,
            quantize,
            rms_norm,
            rope,
            rotary,
            unpack_trits,
        )

        COMPILED = True
    except ImportError:
        from rotor.numpy_layouts import pack_trits, unpack_trits
        from rotor.numpy_ops import (
            PackedMatrix,
            attend,
            dot_rows,
            gated,
            inverse_frequencies,
            quantize,
            rms_norm,
            rope,
            rotary,
        )
        from rotor.numpy_sampler import Sampler, SamplingParams

        COMPILED = False

__all__ = [
    "COMPILED",
    "PackedMatrix",
    "Sampler",
    "SamplingParams",
    "attend",
    "dot_rows",
    "gated",
    "inverse_frequencies",
    "pack_trits",
    "quantize",
    "rms_norm",
    "rope",
    "rotary",
    "unpack_trits",
]
