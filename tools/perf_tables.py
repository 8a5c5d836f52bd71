#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the tables of docs/perf.md from the output of `rotor bench --profile -o json`.

    tools/perf_tables.py docs/results/profile-2b-4t.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

NAMES = {
    "embed": "embedding",
    "qkv": "q, k, v",
    "rope_store": "rotary, cache",
    "attend": "attention",
    "attn_out": "attention output",
    "route": "choice of experts",
    "ffn_gate_up": "gate and up",
    "ffn_down": "down",
    "logits": "head",
}
WEIGHTS = {  # of BitNet b1.58 2B-4T, in all 30 layers
    "qkv": 30 * 2560 * (2560 + 2 * 640),
    "attn_out": 30 * 2560 * 2560,
    "ffn_gate_up": 30 * 2560 * 2 * 6912,
    "ffn_down": 30 * 6912 * 2560,
}
PROMPT_ROWS = 128  # of a pass


def pass_seconds(run: dict) -> float:
    return sum(phase["seconds_per_pass"] for phase in run["phases"])


def percent(part: float) -> str:
    return f"{100 * part:.0f} %"


def title(run: dict, end: str) -> str:
    threads = f"{run['n_threads']} thread{'s' if run['n_threads'] > 1 else ''}"
    return f"\n{threads}: {run['tokens_per_second']:.{1 if run['n_gen'] else 0}f} tokens/s, {end}\n"


def generation(run: dict) -> None:
    """What a token reads, against the memory."""
    seconds, limit = pass_seconds(run), run["available_gb_per_second"]
    print(title(run, f"{1e3 * seconds:.1f} ms; the memory gives {limit:.1f} GB/s."))
    print("| phase | ms | share | read, MB | GB/s | of the limit |\n|---|---|---|---|---|---|")
    for phase in run["phases"]:
        time, read = phase["seconds_per_pass"], phase["bytes_per_pass"]
        rate = read / time / 1e9
        memory = f"{read / 1e6:.0f} | {rate:.1f} | {percent(rate / limit)}" if read else "| |"
        print(f"| {NAMES[phase['name']]} | {1e3 * time:.2f} | {percent(time / seconds)} | {memory} |")


def prompt(run: dict) -> None:
    """What a pass computes."""
    seconds = pass_seconds(run)
    print(title(run, f"{1e3 * seconds:.0f} ms a pass."))
    print("| phase | ms | share | TOPS |\n|---|---|---|---|")
    for phase in run["phases"]:
        time = phase["seconds_per_pass"]
        operations = 2 * PROMPT_ROWS * WEIGHTS.get(phase["name"], 0)
        tops = f"{operations / time / 1e12:.2f}" if operations else ""
        print(f"| {NAMES[phase['name']]} | {1e3 * time:.1f} | {percent(time / seconds)} | {tops} |")


def together(run: dict, alone: dict) -> None:
    ratio = pass_seconds(run) / pass_seconds(alone)
    end = f"together, {1e3 * pass_seconds(run):.0f} ms a pass: {ratio:.1f} times a pass of one."
    print(title(run, end).replace("tokens/s, together", "tokens/s together"))


def main() -> None:
    runs = [run for run in json.loads(Path(sys.argv[1]).read_text()) if run["phases"]]
    single = {run["n_threads"]: run for run in runs if run["n_gen"] and run["batch"] == 1}
    for run in single.values():
        generation(run)
    for run in runs:
        if run["n_prompt"]:
            prompt(run)
        elif run["batch"] > 1:
            together(run, single[run["n_threads"]])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main()
