#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How much faster speculation makes an answer: what is accepted times what a pass costs.

Acceptance is that of recorded texts, whose answers are given, through the drafts of the engine
(speculation_replay). The cost of passes over 1, 2, ... rows is that of `rotor bench` on the shape of
BitNet b1.58 2B-4T, from a file or, with --measure, of this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import streams

COSTS = streams.ROOT / "docs" / "results" / "rows-2b-4t-amx.json"
MEASURE = ("bench", "--synthetic", "bitnet-2b-4t", "-p", "0", "-n", "4", "-r", "4", "-b",
           "1,2,3,4,5,6,8,12,16,24,32", "-o", "json", "-q")
EXAMPLE = """\
example:
  bench/speculation/judge.py --rotor build/test/cli/rotor \\
      --replay build/test/bench/speculation_replay \\
      --tokenizer "$ROTOR_TEST_DATA/tokenizer/llama3-tokenizer.model" --measure
"""


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--rotor", required=True, metavar="PATH", help="the program rotor")
    add("--replay", required=True, metavar="PATH", help="the program speculation_replay")
    add("--tokenizer", required=True, metavar="MODEL", help="cuts the texts into tokens")
    add("--costs", type=Path, default=COSTS, metavar="FILE",
        help="rows of rotor bench -o json (default: docs/results/rows-2b-4t-amx.json)")
    add("--measure", action="store_true", help="measure the costs here, into --costs if that is new")
    add("--committed-only", action="store_true", help="only the texts in bench/speculation/streams")
    add("--models", action="store_true", help="also what the shipped models write, with their tokens")
    add("--json", type=Path, metavar="FILE", help="write the results")
    add("--check", action="store_true",
        help="fail unless copies are at least twice as fast and free text loses at most 2 %%")
    return parser.parse_args()


def tokenize(rotor: str, tokenizer: str, texts: list[str]) -> list[list[int]]:
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    out = subprocess.run((rotor, "tokenize", tokenizer, "--no-bos", "--jsonl"), input=lines,
                         check=True, capture_output=True, text=True, encoding="utf-8")
    return [json.loads(line) for line in out.stdout.splitlines()]


def replay(options: argparse.Namespace, tokenizer: str, texts: list[streams.Text]) -> list[dict]:
    """One result a text, those with fewer than 20 tokens of an answer left out."""
    prompts = tokenize(options.rotor, tokenizer, [text.prompt for text in texts])
    answers = tokenize(options.rotor, tokenizer, [text.answer for text in texts])
    kept = [(text.kind, prompt, answer) for text, prompt, answer in
            zip(texts, prompts, answers, strict=True) if len(answer) >= 20]
    lines = "".join(json.dumps({"prompt": prompt, "answer": answer}) + "\n"
                    for _, prompt, answer in kept)
    out = subprocess.run((options.replay, options.costs), input=lines, check=True,
                         capture_output=True, text=True)
    return [{"kind": kind, "streams": 1, **json.loads(line)} for (kind, _, _), line in
            zip(kept, out.stdout.splitlines(), strict=True)]


def summed(results: list[dict]) -> dict[str, dict]:
    """The results of each kind, added up, and what follows from them."""
    kinds: dict[str, dict] = defaultdict(lambda: defaultdict(float))
    for result in results:
        for key, value in result.items():
            if key != "kind":
                kinds[result["kind"]][key] += value
    for total in kinds.values():
        total["faster"] = total["plain_seconds"] / total["seconds"]
        total["overhead"] = total["bookkeeping_seconds"] / total["plain_seconds"]
    return kinds


def print_table(kinds: dict[str, dict]) -> None:
    print("| text | streams | tokens | tokens a pass | drafted | accepted | times as fast |"
          " bookkeeping, us a token |")
    print("|---|---|---|---|---|---|---|---|")
    for kind in (*streams.COPIES, *streams.QUOTES, *streams.FREE):
        if kind in kinds:
            total = kinds[kind]
            accepted = total["accepted"] / total["drafted"] if total["drafted"] else 0
            bookkeeping = total["bookkeeping_seconds"] / total["tokens"] * 1e6
            print(f"| {kind} | {total['streams']:.0f} | {total['tokens']:.0f} |"
                  f" {total['tokens'] / total['passes']:.2f} | {total['drafted']:.0f} |"
                  f" {accepted:.0%} | {total['faster']:.2f} | {bookkeeping:.2f} |")


def unmet(kinds: dict[str, dict]) -> list[str]:
    """What was promised and is not so."""
    found = []
    for kind, total in kinds.items():
        least = 2 if kind in streams.COPIES else 0.98
        if total["faster"] < least:
            found.append(f"{kind}: {total['faster']:.3f} times as fast, expected at least {least}")
        if total["overhead"] > 0.02:
            found.append(f"{kind}: drafts take {total['overhead']:.1%} of the time without them")
    return found


def main() -> int:
    options = parse_arguments()
    if options.measure:
        out = subprocess.run((options.rotor, *MEASURE), check=True, capture_output=True, text=True)
        with options.costs.open("x", encoding="utf-8") as file:  # an old measurement is kept
            file.write(out.stdout)
    texts = list(streams.committed())
    if not options.committed_only:
        texts += streams.history()
        if folder := os.environ.get("ROTOR_TEST_DATA"):
            texts += streams.data_of_others(Path(folder))
    results = replay(options, options.tokenizer, texts)
    if options.models:
        written = list(streams.answers_of_models(options.rotor))
        results += replay(options, str(streams.ROOT / "models" / "stories.rotor"), written)
    kinds = summed(results)
    print_table(kinds)
    if options.json:
        options.json.write_text(json.dumps(kinds, indent=1) + "\n", encoding="utf-8")
    found = unmet(kinds)
    for line in found:
        print(line, file=sys.stderr)
    return 1 if options.check and found else 0


if __name__ == "__main__":
    sys.exit(main())
