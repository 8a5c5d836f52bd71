# SPDX-License-Identifier: Apache-2.0
"""The same trits in three layouts: what they take, and how long packing and unpacking does.

python examples/python/data_alignment.py [ROWS COLS]
"""

import sys
import time
from collections.abc import Callable

import numpy as np

from rotor import bitnet, dense243

ROUNDS = 5


def best(work: Callable[[], object]) -> float:
    """The shortest of a few rounds, in milliseconds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def main(rows: int = 1024, cols: int = 1280) -> None:
    trits = np.random.default_rng(1).integers(-1, 2, (rows, cols)).astype(np.int8)
    shape = (rows, cols)
    checkpoint = bitnet.pack_bitnet_weights(trits)
    layouts = {
        "BitNet checkpoint": (
            lambda: bitnet.pack_bitnet_weights(trits),
            lambda packed: bitnet.unpack_bitnet_weights(packed, rows),
        ),
        "two bit-planes": (
            lambda: bitnet.bitnet_to_rotor(checkpoint, rows),
            lambda packed: bitnet.rotor_unpack_weights(packed, shape),
        ),
        "dense243": (
            lambda: dense243.pack(trits),
            lambda packed: dense243.unpack(packed, shape),
        ),
    }
    print(f"{rows} x {cols} trits, {trits.nbytes} bytes as int8")
    print(f"{'layout':18} {'bytes':>9} {'bits/trit':>9} {'pack ms':>8} {'unpack ms':>9}")
    for name, (pack, unpack) in layouts.items():
        packed = pack()
        assert (unpack(packed) == trits).all()
        bits = 8 * packed.nbytes / trits.size
        took = best(pack), best(lambda p=packed, u=unpack: u(p))
        print(f"{name:18} {packed.nbytes:9} {bits:9.2f} {took[0]:8.2f} {took[1]:9.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
