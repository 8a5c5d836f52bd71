# SPDX-License-Identifier: Apache-2.0
"""What compare.py prints and keeps: medians with their range, ratios by round, the machine."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import statistics
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path

from peers import ROOT, Load, Peer, run

KINDS = ("prompt", "generate")
# A little above the memory's measured bandwidth is noise; an engine further above skipped work.
BELIEVED = 1.3


@dataclass(frozen=True)
class Spread:
    """The median of the rounds and their range."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(values: list[float]) -> Spread:
        return Spread(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        digits = max(0, 2 - len(str(int(self.median))) + 1)
        low, high = f"{self.low:.{digits}f}", f"{self.high:.{digits}f}"
        return f"{self.median:.{digits}f} ({low}-{high})"


def ratios(rotor: list[float], peer: list[float]) -> list[float]:
    """How many times as fast Rotor was in each round; what disturbed a round disturbed both."""
    return [ours / theirs for ours, theirs in zip(rotor, peer, strict=True)]


@dataclass
class Series:
    """What one engine did with one number of threads: speeds by kind, a value for each round."""

    peer: Peer
    threads: int
    command: str
    problem: str = ""
    rates: dict[str, list[float]] = field(default_factory=dict)
    about: dict[str, object] = field(default_factory=dict)


def table(series: list[Series]) -> str:
    """Markdown; the first series of each number of threads is Rotor's."""
    lines = [
        "| threads | engine | matrices | head | MB a token | prompt, tokens/s | Rotor is | "
        "generation, tokens/s | Rotor is |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for entry in series:
        peer = entry.peer
        cells = [str(entry.threads), peer.name, peer.weights, peer.head]
        cells.append("" if peer.bytes is None else f"{peer.bytes / 1e6:.0f}")
        rotor = next(other for other in series if other.threads == entry.threads)
        for kind in KINDS:
            values = entry.rates.get(kind)
            if not values:
                said = entry.problem.replace("|", "/") if kind == KINDS[0] else ""
                cells += [said, ""]
                continue
            times = Spread.of(ratios(rotor.rates[kind], values))
            cells += [str(Spread.of(values)), "" if entry is rotor else f"{times} times"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def doubts(series: list[Series]) -> list[str]:
    """Engines that would have read more than the memory gives."""
    found = []
    for entry in series:
        rotor = next(other for other in series if other.threads == entry.threads)
        limit = rotor.about.get("available_gb_per_second")
        speeds = entry.rates.get("generate")
        if entry.problem or not (limit and speeds and entry.peer.bytes):
            continue
        read = statistics.median(speeds) * entry.peer.bytes / 1e9
        if read > BELIEVED * limit:
            who = f"{entry.peer.name}, threads {entry.threads}"
            amount = f"would read {read:.0f} GB/s, the memory gives {limit:.0f}"
            found.append(f"{who}: {amount}; it skips work, or its model fits in the caches")
    return found


def machine() -> dict[str, object]:
    """The processor and how much of it this process may use."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": model, "cores": cores, "system": f"{platform.system()} {platform.machine()}"}


def rotor_identity(program: str, commit: str | None) -> dict[str, str]:
    """Version, commit (that of this working tree unless given) and checksum of the program."""
    if commit is None:
        command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        commit = done.stdout.strip() or "unknown"
    digest = hashlib.sha256(Path(shutil.which(program)).read_bytes()).hexdigest()
    return {"version": run([program, "--version"]).strip(), "commit": commit, "sha256": digest}


def document(series: list[Series], shape: str, load: Load, rotor: dict[str, str]) -> dict:
    """What --json writes."""
    rows = []
    for entry in series:
        peer = entry.peer
        ours = next(other for other in series if other.threads == entry.threads)
        row = {"engine": peer.name, "matrices": peer.weights, "head": peer.head}
        row |= {"threads": entry.threads, "bytes_per_token": peer.bytes, "command": entry.command}
        row |= {"about": entry.about, "problem": entry.problem}
        for kind, values in entry.rates.items():
            row[kind] = {"tokens_per_second": values, **asdict(Spread.of(values))}
            if entry is not ours:
                times = ratios(ours.rates[kind], values)
                row[kind]["rotor_is_times"] = {"rounds": times, **asdict(Spread.of(times))}
        rows.append(row)
    work = {"prompt": load.prompt, "generate": load.generate}
    return {"machine": machine(), "rotor": rotor, "model": shape, **work, "rows": rows}
