# SPDX-License-Identifier: Apache-2.0
"""Loads a model layer by layer and says how far it is.

python examples/python/progressive_loading.py [MODEL]
"""

import sys
import time

from rotor.bitnet_model import load_bitnet_model


def main(path: str = "stories") -> None:
    start = time.perf_counter()

    def status(done: int, layers: int) -> None:
        bar = "#" * (20 * done // layers)
        print(f"[{bar:20}] {done}/{layers} layers, {time.perf_counter() - start:.2f} s")

    model = load_bitnet_model(path, progress=status)
    logits = model([1, 2, 3])
    print(f"ready: logits {logits.shape}, next token {int(logits[-1].argmax())}")


if __name__ == "__main__":
    main(*sys.argv[1:])
