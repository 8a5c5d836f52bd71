#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times a model with a low-rank adapter on all its matrices and without, in turn.

    python bench/adapters.py stories|synthetic:bitnet-2b-4t [--rank 8] [--rounds 9] [--threads 1]
        [--json FILE]

The adapter is random, in bfloat16 or, with --f32, in binary32. A round computes a prompt and then
single tokens, first without the adapter in even rounds; a ratio is taken within a round. Needs the
package (`pip install .`) and NumPy.
"""

from __future__ import annotations

import argparse
import json
import statistics
import struct
import tempfile
from pathlib import Path

import numpy as np
import rotor

# layers, hidden, feed-forward, rows of q, rows of k and v
SHAPES = {
    "stories": (6, 384, 1024, 384, 128),
    "synthetic:bitnet-2b-4t": (30, 2560, 6912, 2560, 640),
}
PROMPT, TOKENS = 128, 24


def write_adapter(folder: Path, model: str, rank: int, f32: bool) -> int:
    """Writes PEFT's two files; the bytes of the tensors."""
    layers, hidden, ffn, q, kv = SHAPES[model]
    matrices = {
        "self_attn.q_proj": (q, hidden),
        "self_attn.k_proj": (kv, hidden),
        "self_attn.v_proj": (kv, hidden),
        "self_attn.o_proj": (hidden, q),
        "mlp.gate_proj": (ffn, hidden),
        "mlp.up_proj": (ffn, hidden),
        "mlp.down_proj": (hidden, ffn),
    }
    random = np.random.default_rng(1)
    header, data = {}, bytearray()
    for layer in range(layers):
        for name, (rows, columns) in matrices.items():
            for side, shape in (("A", (rank, columns)), ("B", (rows, rank))):
                values = 0.01 * random.standard_normal(shape, dtype=np.float32)
                raw = values if f32 else (values.view(np.uint32) >> 16).astype(np.uint16)
                begin = len(data)
                data += raw.tobytes()
                header[f"base_model.model.model.layers.{layer}.{name}.lora_{side}.weight"] = {
                    "dtype": "F32" if f32 else "BF16",
                    "shape": shape,
                    "data_offsets": [begin, len(data)],
                }
    text = json.dumps(header).encode()
    (folder / "adapter_model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": rank}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return len(data)


def rates(model: rotor.Model, number: int, lora: object) -> tuple[float, float]:
    """Tokens a second of a prompt that is not cached, and of what follows it."""
    prompt = [1 + (number * 31 + i * i) % 1000 for i in range(PROMPT)]
    stats = model.generate(
        prompt, max_new_tokens=TOKENS, temperature=0, ignore_end=True, speculate=False, lora=lora
    ).stats
    computed = stats.prompt_tokens - stats.cached_tokens
    return computed / stats.prompt_seconds, (TOKENS - 1) / stats.generation_seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=SHAPES)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--f32", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every round there")
    options = parser.parse_args()
    model = rotor.Model.from_pretrained(options.model, threads=options.threads, context=256)
    with tempfile.TemporaryDirectory() as name:
        size = write_adapter(Path(name), options.model, options.rank, options.f32)
        adapter = model.load_lora(name)
    print(f"{options.model}, {options.threads} threads, rank {options.rank}: {size / 1e6:.1f} MB")
    rates(model, 0, adapter)
    rounds = []
    for number in range(options.rounds):
        both = {}
        for adapted in (False, True) if number % 2 == 0 else (True, False):
            both[adapted] = rates(model, 2 * number + adapted, adapter if adapted else ())
        rounds.append(both)
    report: dict[str, object] = {"model": options.model, "threads": options.threads}
    report |= {"rank": options.rank, "f32": options.f32, "adapter_bytes": size}
    for place, what in enumerate(("prompt", "generation")):
        report[what] = {
            key: [r[adapted][place] for r in rounds]
            for key, adapted in (("without", False), ("with", True))
        }
        plain, adapted = (statistics.median(r[a][place] for r in rounds) for a in (False, True))
        ratios = sorted(r[True][place] / r[False][place] for r in rounds)
        print(
            f"{what:10} without {plain:9.1f} tokens/s, with {adapted:9.1f}, ratio "
            f"{statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})"
        )
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
