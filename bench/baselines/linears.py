#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Alternates Rotor's linear layers with the same shapes in int8, bf16 and fp32 of torch.

Every round runs each engine once, and a ratio is taken within its round. Rotor's time is that of the
phases with matrices in `rotor bench --profile`: norm, int8 form and scaling belong to it, while torch's
is the bare product (int8: with the quantisation of its input).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "peers"))

from gguf_model import SHAPES, Shape  # noqa: E402  (found by the line above)
from peers import Unavailable, available_memory, run, shown  # noqa: E402
from report import Spread, machine, ratios, rotor_identity  # noqa: E402

KINDS = {"int8": 1, "bf16": 2, "fp32": 4}  # bytes a weight
PHASES = ("qkv", "attn_out", "ffn_gate_up", "ffn_down")
ENOUGH_BYTES = 512 << 20  # beyond the caches: more layers would only take longer
EXAMPLE = """\
example:
  pip install torch numpy
  bench/baselines/linears.py --rotor build/release/cli/rotor -t 1,2 --rows 1,128 --rounds 5
"""


def layers_timed(shape: Shape, kind: str) -> int:
    """Layers that torch gets: enough that their weights come from memory, at most all."""
    layer = KINDS[kind] * sum(rows * cols for rows, cols in shape.linears().values())
    return min(shape.layers, -(-ENOUGH_BYTES // layer))


def rotor_command(program: str, shape: Shape, rows: int, threads: int) -> list[str]:
    """One pass of `rows` rows: a token, or a prompt of at most 128, which is computed at once."""
    work = ["-p", "0", "-n", "16"] if rows == 1 else ["-p", str(rows), "-n", "0"]
    model = ["--synthetic", shape.name, "-t", str(threads), "-r", "1", "--profile"]
    return [program, "bench", *model, *work, "-o", "json", "-q"]


def rotor_layer(output: str, shape: Shape) -> float:
    """Seconds that the matrices of one layer take."""
    (row,) = json.loads(output)
    seconds = {phase["name"]: float(phase["seconds_per_pass"]) for phase in row["phases"]}
    return sum(seconds[name] for name in PHASES) / shape.layers


def torch_command(shape: Shape, kind: str, rows: int, threads: int) -> list[str]:
    sizes = [f"{out}x{cols}" for out, cols in shape.linears().values()]
    numbers = [str(rows), str(threads), str(layers_timed(shape, kind)), "5"]
    return [sys.executable, str(HERE / "torch_linears.py"), kind, *numbers, *sizes]


def torch_layer(output: str, shape: Shape, kind: str) -> float:
    return float(json.loads(output)["seconds"]) / layers_timed(shape, kind)


def problem_of(shape: Shape, kind: str) -> str:
    """Why it cannot be measured, or ""."""
    if importlib.util.find_spec("torch") is None:
        return "not installed: pip install torch"
    layer = sum(rows * cols for rows, cols in shape.linears().values())
    # int8 is made of one fp32 matrix at a time.
    need = layers_timed(shape, kind) * KINDS[kind] * layer + 5 * layer + (1 << 30)
    have = available_memory()
    return f"needs {need / 1e9:.1f} GB of memory, {have / 1e9:.1f} are free" * (need > have)


def measure(options: argparse.Namespace, rows: int, threads: int) -> dict[str, list[float] | str]:
    """Seconds of a layer by engine, a value for each round; or why there are none."""
    shape = SHAPES[options.model]
    found: dict[str, list[float] | str] = {"Rotor": []}
    found |= {kind: problem_of(shape, kind) or [] for kind in KINDS}
    for turn in range(options.rounds):
        for name, values in found.items():
            if isinstance(values, str):
                continue
            print(f"round {turn + 1}/{options.rounds}, {threads} threads, {rows} rows: {name}",
                  file=sys.stderr)
            if name == "Rotor":
                output = run(rotor_command(options.rotor, shape, rows, threads))
                values.append(rotor_layer(output, shape))
                continue
            try:
                values.append(torch_layer(run(torch_command(shape, name, rows, threads)), shape, name))
            except (Unavailable, LookupError, TypeError, ValueError) as error:
                found[name] = str(error)
    return found


def table_rows(found: dict[str, list[float] | str], rows: int, threads: int) -> list[str]:
    lines = []
    for name, values in found.items():
        cells = [str(threads), str(rows), name]
        if isinstance(values, str):
            cells += [values.replace("|", "/"), ""]
        else:
            cells.append(str(Spread.of([1e3 * value for value in values])))
            times = Spread.of(ratios(values, found["Rotor"]))
            cells.append("" if name == "Rotor" else f"{times} times")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def parse_arguments(words: list[str] | None = None) -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        values = [int(word) for word in text.split(",")]
        if not all(1 <= value <= 128 for value in values):
            raise ValueError
        return values

    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--rotor", required=True, metavar="PATH", help="the program rotor, release build")
    add("--model", choices=SHAPES, default="bitnet-2b-4t", metavar="SHAPE",
        help=f"shape of the model: {', '.join(SHAPES)} (default: %(default)s)")
    add("--rows", type=numbers, default=[1, 128], metavar="N,...",
        help="vectors multiplied at once, 1 to 128 (default: 1,128)")
    add("-t", "--threads", type=numbers, default=[1], metavar="N,...", help="thread counts")
    add("--rounds", type=int, default=3, help="rounds (default: %(default)s)")
    add("--json", type=Path, metavar="FILE", help="also write everything measured there")
    options = parser.parse_args(words)
    if options.rounds < 1:
        parser.error("--rounds is at least 1")
    return options


def main(words: list[str] | None = None) -> None:
    options = parse_arguments(words)
    lines = ["| threads | rows | engine | ms a layer | Rotor is |", "|---|---|---|---|---|"]
    kept = []
    try:
        identity = rotor_identity(options.rotor, None)
        for threads in options.threads:
            for rows in options.rows:
                found = measure(options, rows, threads)
                lines += table_rows(found, rows, threads)
                kept.append({"threads": threads, "rows": rows, "seconds_a_layer": found})
    except (OSError, TypeError, LookupError, ValueError, Unavailable) as problem:
        raise SystemExit(f"linears.py: {problem}") from problem
    host = machine()
    print(f"{options.model} on {host['cpu']}, {host['cores']} cores; {identity['version']}\n")
    print("\n".join(lines))
    print(f"\nMedian (lowest-highest) over {options.rounds} rounds.")
    if options.json is not None:
        command = shown(["bench/baselines/linears.py", *(words or sys.argv[1:])])
        document = {"machine": host, "rotor": identity, "model": options.model, "command": command}
        text = json.dumps({**document, "rows": kept}, indent=1)
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
