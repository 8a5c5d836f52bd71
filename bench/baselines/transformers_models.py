#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times BitNet models in transformers on its own modules and on Rotor's, in turn.

    python bench/baselines/transformers_models.py FOLDER [--rounds 9] [--threads N] [--json FILE]

FOLDER is a Hugging Face folder that says quant_method bitnet (`rotor convert stories DST --to hf`
makes one of the shipped model). Timed are one token after a prompt, with the cache, and a prompt
of 128 tokens; beside them one matrix of BitNet b1.58 2B-4T's feed-forward, 6912 x 2560, for one
vector and for 128. A round times each path once, theirs first in even rounds; a ratio is taken
within a round.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import rotor.torch as rt
import torch
import transformers
from torch import nn
from transformers import AutoModelForCausalLM
from transformers.integrations import bitnet

PROMPT = 128
ROWS, COLS = 6912, 2560
LEAST_SECONDS = 0.05  # of a measurement; calls are repeated up to that


def seconds_of(call: Callable[[], object]) -> float:
    """Of one call: the mean over as many as take LEAST_SECONDS."""
    calls, start = 0, time.perf_counter()
    while calls == 0 or time.perf_counter() - start < LEAST_SECONDS:
        call()
        calls += 1
    return (time.perf_counter() - start) / calls


Call = Callable[[], object]
Row = dict[str, object]


def compare(name: str, theirs: Call, ours: Call, rounds: int) -> Row:
    """Prints a row: medians in milliseconds; of the rounds' ratios median, least and greatest.

    The row holds every round's seconds.
    """
    for call in (theirs, ours):
        call(), call()  # what is compiled or packed at first use
    times: list[tuple[float, float]] = []
    for number in range(rounds):
        if number % 2 == 0:
            first = seconds_of(theirs)
            times.append((first, seconds_of(ours)))
        else:
            second = seconds_of(ours)
            times.append((seconds_of(theirs), second))
    ratios = sorted(a / b for a, b in times)
    middle = [1e3 * statistics.median(column) for column in zip(*times, strict=True)]
    print(
        f"{name:34} {middle[0]:10.2f} {middle[1]:10.2f} {statistics.median(ratios):8.2f} "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f})",
        flush=True,
    )
    return {"name": name, "transformers": [a for a, _ in times], "rotor": [b for _, b in times]}


def compare_models(folder: Path, dtype: torch.dtype, rounds: int) -> Iterator[Row]:
    models = [
        # The loader leaves norms and embedding in the file's type.
        nn.Module.to(AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, **options), dtype)
        for options in ({}, {"quantization_config": rt.RotorConfig()})
    ]
    generator = torch.Generator().manual_seed(1)
    prompt = torch.randint(0, models[0].config.vocab_size, (1, PROMPT), generator=generator)

    def a_token(model: nn.Module) -> Callable[[], object]:
        cache = model(prompt, use_cache=True).past_key_values

        def step() -> None:
            model(prompt[:, :1], past_key_values=cache, use_cache=True)
            cache.crop(-1)  # the last token

        return step

    def a_prompt(model: nn.Module) -> Callable[[], object]:
        return lambda: model(prompt, use_cache=True)

    yield compare(f"{folder.name}: a token", *map(a_token, models), rounds)
    yield compare(f"{folder.name}: a prompt of {PROMPT}", *map(a_prompt, models), rounds)


def compare_layers(dtype: torch.dtype, rounds: int) -> Iterator[Row]:
    trits = torch.randint(-1, 2, (ROWS, COLS), dtype=torch.int8)
    packed = bitnet.BitLinear(COLS, ROWS, bias=False, dtype=dtype)
    packed.weight.copy_(bitnet.pack_weights(trits.clone()))
    unpacked = bitnet.AutoBitLinear(COLS, ROWS, bias=False, dtype=dtype)
    unpacked.weight.copy_(trits)
    ours = rt.TernaryLinear(trits, torch.ones(1))
    for vectors in (1, PROMPT):
        x = torch.randn(vectors, COLS).to(dtype)
        for theirs in (packed, unpacked):
            name = f"{type(theirs).__name__} {ROWS}x{COLS}, {vectors}"
            yield compare(name, lambda: theirs(x), lambda: ours(x), rounds)  # noqa: B023


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, nargs="*")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every round there")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    dtype = getattr(torch, options.dtype)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {options.dtype}")
    print(f"{'':34} {'theirs ms':>10} {'Rotor ms':>10} {'ratio':>8}")
    with torch.inference_mode():
        rows = list(compare_layers(dtype, options.rounds))
        for folder in options.folder:
            rows += compare_models(folder, dtype, options.rounds)
    if options.json is not None:
        versions = {"torch": torch.__version__, "transformers": transformers.__version__}
        setting = {"threads": torch.get_num_threads(), "dtype": options.dtype, "seconds": rows}
        text = json.dumps({**versions, **setting}, indent=1)
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
