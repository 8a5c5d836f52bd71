# SPDX-License-Identifier: Apache-2.0
"""Rotor runs ternary ({-1, 0, +1}) language models.

    import rotor
    model = rotor.Model.from_pretrained("stories")
    print(model.generate("Once upon a time"))

`rotor.train` trains them; it needs torch and nothing of the compiled part. The building blocks
(`rotor.transformer`, `rotor.bitnet_model`, `rotor.generation`, `rotor.bitnet`, `rotor.dense243`,
`rotor.ternary_gemm`, `rotor.tokenizer`, `rotor.gguf`) work without it too, in NumPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotor.errors import CancelledError, FormatError, UnsupportedError, VerificationError

if TYPE_CHECKING:
    from rotor._core import GenerationStats, LoraAdapter, SamplingParams
    from rotor._core import version as __version__
    from rotor.gemm import ternary_gemm
    from rotor.model import Answer, Chunk, Generation, Model, Options, Tokenizer

_OF_MODEL = ("Answer", "Chunk", "Generation", "Model", "Options", "Tokenizer")
_OF_CORE = {
    "GenerationStats": "GenerationStats",
    "LoraAdapter": "LoraAdapter",
    "SamplingParams": "SamplingParams",
    "__version__": "version",
}
__all__ = [
    "Answer",
    "CancelledError",
    "Chunk",
    "FormatError",
    "Generation",
    "GenerationStats",
    "LoraAdapter",
    "Model",
    "Options",
    "SamplingParams",
    "Tokenizer",
    "UnsupportedError",
    "VerificationError",
    "__version__",
    "ternary_gemm",
]


def __getattr__(name: str) -> object:
    """Loads the compiled part when it is first asked for."""
    if name in _OF_MODEL:
        from rotor import model

        return getattr(model, name)
    if name == "ternary_gemm":
        from rotor.gemm import ternary_gemm

        return ternary_gemm
    if name in _OF_CORE:
        from rotor import _core

        return getattr(_core, _OF_CORE[name])
    raise AttributeError(f"module 'rotor' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
