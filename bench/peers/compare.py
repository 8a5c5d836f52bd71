#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Alternates Rotor with other engines on the same machine and prints ratios with their spread.

Speeds of different runs do not compare: other guests of a machine come and go. Here every round
runs each engine once, and a ratio is taken within its round.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

from gguf_model import HEAD_TYPES, SHAPES, TERNARY_TYPES
from peers import ROOT, LlamaCpp, Load, Peer, Rotor, Torch, Unavailable, parse_llama_bench, shown
from report import Series, document, doubts, machine, rotor_identity, table

EXAMPLE = """\
example:
  pip install -r bench/peers/requirements.txt
  bench/peers/compare.py --rotor build/release/cli/rotor -t 1,2 -p 128 -n 32 --rounds 3 \\
      --peer ik=ik_llama.cpp/build/bin/llama-bench,2b-4t-iq2_bn.gguf --json peers.json
"""
NOTES = """\
Median (lowest-highest) over {rounds} rounds, {prompt} tokens of a prompt, {generate} generated from
an empty cache. "Rotor is": Rotor's speed over the engine's, round by round. MB a token: what a
generated token reads, Rotor with its cache. Prompts need the head for the last token alone.

Rotor generates greedily: the head in two stages finds the same token without all logits;
full head computes them all, as the others do. The GGUF files of llama.cpp have random weights and
architecture bitnet: matrices and norms as in 2B-4T, SiLU in place of a squared ReLU, so the time is
right and the function is not. Logits of llama.cpp and torch were checked to be finite and not all
equal; those of a llama-bench cannot be."""


def numbers(text: str) -> list[int]:
    values = [int(word) for word in text.split(",")]
    if min(values) < 1:
        raise ValueError
    return values


def parse_arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--rotor", required=True, metavar="PATH", help="the program rotor, release build")
    add("--model", choices=SHAPES, default="bitnet-2b-4t", metavar="SHAPE",
        help=f"shape of the models: {', '.join(SHAPES)} (default: %(default)s)")
    add("--rotor-model", type=Path, metavar="FILE",
        help="a .rotor file of that shape, in place of one that is made")
    add("--peer", action="append", type=parse_llama_bench, default=[], metavar="NAME=PATH,MODEL",
        help="also the llama-bench PATH on the file MODEL; may be repeated")
    add("--only", metavar="NAME,...", help="of the engines that are known, those with these names")
    add("--head", choices=HEAD_TYPES, default=HEAD_TYPES[0], metavar="TYPE",
        help="type of llama.cpp's head: Q6_K, as its own quantizer makes it, or F16")
    add("-p", "--prompt", type=int, default=128, help="tokens of the prompt; 0: none")
    add("-n", "--generate", type=int, default=32, help="tokens to generate; 0: none")
    add("-t", "--threads", type=numbers, default=[1], metavar="N,...", help="thread counts")
    add("--rounds", type=int, default=3, help="rounds (default: %(default)s)")
    add("--files", type=Path, default=ROOT / "build" / "peers", metavar="DIR",
        help="where the models are made, 2.6 GB for 2B-4T (default: build/peers)")
    add("--commit", help="commit that rotor was built from, if not the one checked out here")
    add("--json", type=Path, metavar="FILE", help="also write everything measured there")
    options = parser.parse_args(words)
    if min(options.prompt, options.generate) < 0 or options.prompt + options.generate == 0:
        parser.error("-p and -n are 0 or more, and not both 0")
    if options.rounds < 1:
        parser.error("--rounds is at least 1")
    return options


def engines(options: argparse.Namespace) -> list[Peer]:
    """Rotor first, then every peer asked for."""
    shape = SHAPES[options.model]
    ours = {"program": options.rotor, "shape": shape, "file": options.rotor_model}
    peers: list[Peer] = [Rotor("Rotor full head", head_option="full", **ours)]
    for kind in TERNARY_TYPES:
        peers.append(LlamaCpp(f"llama.cpp {kind}", kind, options.head, shape=shape))
    peers += [Torch("torch", shape=shape), *options.peer]
    if options.only is not None:
        names = options.only.split(",")
        unknown = set(names) - {peer.name for peer in peers}
        if unknown:
            known = "; ".join(peer.name for peer in peers)
            raise SystemExit(f"--only: no engine {', '.join(sorted(unknown))}; known: {known}")
        peers = [peer for peer in peers if peer.name in names]
    return [Rotor("Rotor", **ours), *peers]


def measure(peers: list[Peer], load: Load, threads: list[int], rounds: int) -> list[Series]:
    """Rounds of A, B, C; A, B, C. An engine that fails is left out from then on, and it is said."""
    series = [
        Series(peer, count, "" if problem else shown(peer.command(load, count)), problem)
        for count in threads
        for peer, problem in peers
    ]
    for turn in range(rounds):
        for entry in series:
            if entry.problem:
                continue
            print(f"round {turn + 1}/{rounds}, {entry.threads} threads: {entry.peer.name}",
                  file=sys.stderr)
            try:
                speeds = entry.peer.measure(load, entry.threads)
            except Unavailable as problem:
                if entry.peer is series[0].peer:
                    raise
                entry.problem, entry.rates = str(problem), {}
                continue
            for kind, rate in speeds.rates.items():
                entry.rates.setdefault(kind, []).append(rate)
            entry.about = speeds.about
    return series


def prepare(peers: list[Peer], files: Path) -> list[tuple[Peer, str]]:
    """Each with the reason why it cannot be measured, or "". Rotor itself must be."""
    files.mkdir(parents=True, exist_ok=True)
    prepared = []
    for peer in peers:
        try:
            print(f"preparing {peer.name}", file=sys.stderr)
            peer.prepare(files)
            prepared.append((peer, ""))
        except Unavailable as problem:
            if isinstance(peer, Rotor):
                raise
            prepared.append((peer, str(problem)))
    return prepared


def main() -> None:
    options = parse_arguments()
    if not shutil.which(options.rotor):
        raise SystemExit(f"compare.py: no program {options.rotor}; --rotor names a built rotor")
    load = Load(options.prompt, options.generate)
    try:
        peers = engines(options)
        identity = rotor_identity(options.rotor, options.commit)
        series = measure(prepare(peers, options.files), load, options.threads, options.rounds)
    except (OSError, Unavailable) as problem:
        raise SystemExit(f"compare.py: {problem}") from problem
    host = machine()
    print(f"{options.model} on {host['cpu']}, {host['cores']} cores; {identity['version']}, commit "
          f"{identity['commit']}\n\n{table(series)}\n")
    print(NOTES.format(rounds=options.rounds, prompt=load.prompt, generate=load.generate))
    for doubt in doubts(series):
        print(f"\nDoubtful: {doubt}")
    if options.json is not None:
        kept = document(series, options.model, load, identity)
        options.json.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
