# SPDX-License-Identifier: Apache-2.0
"""Measures llama.cpp through llama-cpp-python's low-level API; compare.py starts it once a round.

    python3 llama_run.py MODEL.gguf PROMPT GENERATE THREADS

prints {"prompt": tokens/s, "generate": tokens/s, "version": ..., "system": ...}. As `rotor bench`
does, each measurement follows one of the same size to warm up, generation starts with an empty
cache, tokens are fixed, and of a prompt only the last token's logits are computed.
"""

from __future__ import annotations

import ctypes
import json
import sys
import time

import llama_cpp as lc
import numpy as np


class Runner:
    """A model with a context for ``positions`` tokens."""

    def __init__(self, path: str, positions: int, threads: int) -> None:
        lc.llama_backend_init()
        self.model = lc.llama_model_load_from_file(
            path.encode(), lc.llama_model_default_params()
        )
        if not self.model:
            raise SystemExit(f"llama.cpp does not load {path}")
        self.vocab = lc.llama_vocab_n_tokens(lc.llama_model_get_vocab(self.model))
        params = lc.llama_context_default_params()
        params.n_ctx = params.n_batch = positions
        params.n_threads = params.n_threads_batch = threads
        self.context = lc.llama_init_from_model(self.model, params)
        if not self.context:
            raise SystemExit("llama.cpp makes no context")

    def decode(self, tokens: list[int]) -> np.ndarray:
        """One batch; the logits of its last token, (vocab,)."""
        array = (lc.llama_token * len(tokens))(*tokens)
        status = lc.llama_decode(self.context, lc.llama_batch_get_one(array, len(tokens)))
        if status != 0:
            raise SystemExit(f"llama_decode returns {status}")
        logits = lc.llama_get_logits_ith(self.context, -1)  # waits for the result
        return np.ctypeslib.as_array(logits, (self.vocab,))

    def rate(self, count: int, step: int) -> float:
        """Tokens a second over ``count`` tokens in batches of ``step``, with an empty cache."""
        lc.llama_memory_clear(lc.llama_get_memory(self.context), True)
        tokens = [(i * 7919 + 1) % self.vocab for i in range(count)]
        start = time.perf_counter()
        for begin in range(0, count, step):
            logits = self.decode(tokens[begin : begin + step])
        seconds = time.perf_counter() - start
        # An engine that skips what it cannot compute is fast: seen with types without a kernel.
        if not np.isfinite(logits).all() or np.ptp(logits) == 0:
            raise SystemExit("the logits are not finite, or all equal")
        return count / seconds


def main(path: str, prompt: int, generate: int, threads: int) -> None:
    silent = lc.llama_log_callback(lambda level, text, data: None)
    lc.llama_log_set(silent, ctypes.c_void_p())
    runner = Runner(path, max(prompt, generate), threads)
    result = {"version": "llama-cpp-python " + lc.__version__}
    result["system"] = lc.llama_print_system_info().decode()
    for name, count, step in (("prompt", prompt, prompt), ("generate", generate, 1)):
        if count:
            runner.rate(count, step)
            result[name] = runner.rate(count, step)
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
