# SPDX-License-Identifier: Apache-2.0
"""llama.cpp through the C interface of llama.h, from the package xllamacpp.

The package's extension is llama.cpp in one shared object and exports all of llama.h; its wheel needs no
compiler. Parameter structs grow from version to version, so they stay opaque: the library fills in the
defaults, and of what follows llama.h's first fields nothing is touched.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_bool, c_char_p, c_float, c_int8, c_int32, c_uint32, c_void_p
from importlib.util import find_spec
from pathlib import Path

import numpy as np


class Parameters(ctypes.Structure):
    """llama_model_params or llama_context_params, with room for those of later versions.

    They are passed and returned in memory, as the last argument, so that a library reads and writes as
    much of it as it knows. The names are those of llama_context_params.
    """

    _fields_ = [
        ("n_ctx", c_uint32),
        ("n_batch", c_uint32),
        ("n_ubatch", c_uint32),
        ("n_seq_max", c_uint32),
        ("rest", ctypes.c_uint8 * 1008),
    ]


class Batch(ctypes.Structure):
    """llama_batch."""

    _fields_ = [
        ("n_tokens", c_int32),
        ("token", POINTER(c_int32)),
        ("embd", POINTER(c_float)),
        ("pos", POINTER(c_int32)),
        ("n_seq_id", POINTER(c_int32)),
        ("seq_id", POINTER(POINTER(c_int32))),
        ("logits", POINTER(c_int8)),
    ]


_SIGNATURES = {
    "llama_backend_init": (None, []),
    "llama_log_set": (None, [c_void_p, c_void_p]),
    "llama_model_default_params": (Parameters, []),
    "llama_context_default_params": (Parameters, []),
    "llama_model_load_from_file": (c_void_p, [c_char_p, Parameters]),
    "llama_model_free": (None, [c_void_p]),
    "llama_init_from_model": (c_void_p, [c_void_p, Parameters]),
    "llama_free": (None, [c_void_p]),
    "llama_set_n_threads": (None, [c_void_p, c_int32, c_int32]),
    "llama_model_get_vocab": (c_void_p, [c_void_p]),
    "llama_vocab_n_tokens": (c_int32, [c_void_p]),
    "llama_tokenize": (
        c_int32,
        [c_void_p, c_char_p, c_int32, POINTER(c_int32), c_int32, c_bool, c_bool],
    ),
    "llama_batch_init": (Batch, [c_int32, c_int32, c_int32]),
    "llama_batch_free": (None, [Batch]),
    "llama_decode": (c_int32, [c_void_p, Batch]),
    "llama_get_logits": (POINTER(c_float), [c_void_p]),
    "llama_get_memory": (c_void_p, [c_void_p]),
    "llama_memory_clear": (None, [c_void_p, c_bool]),
}
_silent = ctypes.CFUNCTYPE(None, ctypes.c_int, c_char_p, c_void_p)(lambda *_: None)


def find_library() -> Path | None:
    """llama.cpp's shared object; None when the package is not installed."""
    spec = find_spec("xllamacpp")
    if spec is None or spec.origin is None:
        return None
    return next(Path(spec.origin).parent.glob("xllamacpp*.so"), None)


def load_library(path: Path) -> ctypes.CDLL:
    """With the signatures of what is used of it, and silent."""
    library = ctypes.CDLL(str(path))
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    library.llama_log_set(ctypes.cast(_silent, c_void_p), None)
    library.llama_backend_init()
    return library


class Llama:
    """A model and a context of 512 positions, two threads."""

    def __init__(self, library: ctypes.CDLL, path: Path) -> None:
        self._library = library
        model = library.llama_model_default_params()
        self._model = library.llama_model_load_from_file(str(path).encode(), model)
        if not self._model:
            raise ValueError(f"llama.cpp does not load {path}")
        context = library.llama_context_default_params()
        assert context.n_ubatch == 512 and context.n_seq_max == 1, "llama.h has changed"
        context.n_ctx = 512
        self._context = library.llama_init_from_model(self._model, context)
        assert self._context, "llama.cpp makes no context"
        library.llama_set_n_threads(self._context, 2, 2)
        self._vocab = library.llama_model_get_vocab(self._model)
        self.vocab = library.llama_vocab_n_tokens(self._vocab)

    def __del__(self) -> None:
        for name in ("_context", "_model"):
            if getattr(self, name, None):
                free = "llama_free" if name == "_context" else "llama_model_free"
                getattr(self._library, free)(getattr(self, name))

    def tokenize(self, text: bytes, add_bos: bool = True, special: bool = False) -> list[int]:
        tokens = (c_int32 * (len(text) + 16))()
        count = self._library.llama_tokenize(
            self._vocab, text, len(text), tokens, len(tokens), add_bos, special
        )
        assert count >= 0, "more tokens than bytes"
        return tokens[:count]

    def logits(self, tokens: list[int]) -> np.ndarray:
        """float32 (tokens, vocab), of a new sequence of at most 512 tokens."""
        library = self._library
        library.llama_memory_clear(library.llama_get_memory(self._context), True)
        batch = library.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, i, 1, 1
            batch.seq_id[i][0] = 0
        status = library.llama_decode(self._context, batch)
        library.llama_batch_free(batch)
        assert status == 0, f"llama_decode: {status}"
        values = library.llama_get_logits(self._context)
        return np.ctypeslib.as_array(values, (len(tokens), self.vocab)).copy()
