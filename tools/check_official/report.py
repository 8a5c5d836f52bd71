# SPDX-License-Identifier: Apache-2.0
"""What was checked, with what result: report.json while the checks run, report.md for a person."""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

from program import Rotor


class Skipped(Exception):
    """A check that cannot be made here; the message says why."""


class Record:
    """The results by name, in the order of the checks. `file` is rewritten after each."""

    def __init__(self, file: Path, again: bool) -> None:
        self.file = file
        known = json.loads(file.read_text()) if file.exists() else {}
        self.facts: dict[str, object] = known.get("about", {})
        self.results: dict[str, dict] = {} if again else known.get("checks", {})

    def about(self, rotor: Rotor, options: argparse.Namespace) -> None:
        """Results of another program, hub or length are not these."""
        facts = {
            "rotor": rotor.version,
            "program": str(rotor.program),
            "program_bytes": rotor.program.stat().st_size,
            "endpoint": options.endpoint,
            "table": str(options.table),
            "chunks": options.chunks,
            "random_weights": options.random_weights,
            "machine": f"{platform.machine()}, {platform.system()} {platform.release()}",
        }
        if {**self.facts, **facts} != self.facts:
            self.results = {}
        self.facts = facts

    def run(self, name: str, check: Callable[[], dict]) -> None:
        """Makes a check unless an earlier run has passed it."""
        if self.results.get(name, {}).get("result") == "passed":
            print(f"{name}: passed before", flush=True)
            return
        print(f"{name} ...", flush=True)
        started = time.time()
        try:
            outcome = {"result": "passed", **check()}
        except Skipped as reason:
            outcome = {"result": "skipped", "why": str(reason)}
        except Exception as error:  # whatever breaks a check, the others are made
            outcome = {"result": "FAILED", "why": f"{type(error).__name__}: {error}"}
        outcome["seconds"] = round(time.time() - started, 1)
        self.results[name] = outcome
        print(f"{name}: {outcome['result']} {outcome.get('why', '')}", flush=True)
        self.file.write_text(json.dumps({"about": self.facts, "checks": self.results}, indent=2) + "\n")

    def failed(self) -> list[str]:
        return [name for name, outcome in self.results.items() if outcome["result"] == "FAILED"]


def _lines(value: object, indent: str = "") -> list[str]:
    """A JSON value as a nested list."""
    if not isinstance(value, dict):
        return [f"{indent}- {value}"]
    lines = []
    for key, held in value.items():
        if isinstance(held, dict):
            lines += [f"{indent}- {key}", *_lines(held, indent + "  ")]
        else:
            lines.append(f"{indent}- {key}: `{held}`")
    return lines


def write_markdown(file: Path, record: Record) -> None:
    lines = ["# Rotor against the official BitNet b1.58 2B-4T", ""]
    if record.facts["random_weights"]:
        lines += ["**Random weights of the official layout**: this report proves the way, not the "
                  "model.", ""]
    lines += [*_lines(record.facts), "", "| check | result | seconds |", "|---|---|---|"]
    lines += [
        f"| {name} | {outcome['result']} | {outcome['seconds']} |"
        for name, outcome in record.results.items()
    ]
    for name, outcome in record.results.items():
        details = {key: value for key, value in outcome.items() if key not in ("result", "seconds")}
        lines += ["", f"## {name}", "", *_lines(details)]
    file.write_text("\n".join(lines) + "\n")
