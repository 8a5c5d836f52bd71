# SPDX-License-Identifier: Apache-2.0
"""The engines that compare.py alternates. Each runs as a program of its own, once a round."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from gguf_header import token_cost
from gguf_model import Shape, write_model

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
INSTALL = "not installed: pip install -r bench/peers/requirements.txt"


class Unavailable(Exception):
    """Why an engine is not measured; the table says it."""


@dataclass(frozen=True)
class Load:
    """What is measured: tokens of a prompt, tokens generated; 0: none."""

    prompt: int
    generate: int


@dataclass
class Speeds:
    """Tokens a second, and what the engine says about itself."""

    rates: dict[str, float]
    about: dict[str, object] = field(default_factory=dict)


@dataclass
class Peer:
    """An engine. weights, head: their precision. bytes: what a generated token reads."""

    name: str
    weights: str = "?"
    head: str = "?"
    bytes: float | None = None

    def prepare(self, files: Path) -> None:
        """Makes what is needed under ``files``. Raises Unavailable."""

    def command(self, load: Load, threads: int) -> list[str]:
        raise NotImplementedError

    def read(self, output: object) -> Speeds:
        """The program's JSON output. LookupError, TypeError, ValueError: not what it should be."""
        raise NotImplementedError

    def measure(self, load: Load, threads: int) -> Speeds:
        """One run. Raises Unavailable."""
        command = self.command(load, threads)
        try:
            return self.read(json.loads(run(command)))
        except (LookupError, TypeError, ValueError) as error:
            raise Unavailable(f"unexpected output of {shown(command)}: {error!r}") from error


def run(command: list[str]) -> str:
    """Its stdout. Unavailable: it does not start or fails, with the last line it said."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise Unavailable(f"cannot start {command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing said").splitlines()[-1]
        raise Unavailable(f"failed with status {done.returncode}: {said}")
    return done.stdout


def available_memory() -> int:
    """Bytes that can be taken without swapping; where the system does not say, all there are."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if "MemAvailable" in line)
    except (OSError, StopIteration):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def shown(command: list[str]) -> str:
    """The command as one would type it in the root of the sources."""
    words = ["python3" if word == sys.executable else word for word in command]
    return shlex.join(word.removeprefix(f"{ROOT}{os.sep}") for word in words)


@dataclass
class Rotor(Peer):
    """`rotor bench`. head_option: how it reads the head."""

    program: str = "rotor"
    shape: Shape | None = None
    file: Path | None = None
    head_option: str = "auto"

    def prepare(self, files: Path) -> None:
        if self.file is None:
            self.file = files / f"{self.shape.name}.rotor"
        if not self.file.exists():
            part = self.file.with_suffix(".part")
            source = f"synthetic:{self.shape.name}"
            run([self.program, "convert", source, str(part), "--to", "rotor", "-q"])
            os.replace(part, self.file)

    def command(self, load: Load, threads: int) -> list[str]:
        work = ["-p", str(load.prompt), "-n", str(load.generate), "-t", str(threads), "-r", "1"]
        head = ["--head", self.head_option]
        return [self.program, "bench", "-m", str(self.file), *work, *head, "-o", "json", "-q"]

    def read(self, output: object) -> Speeds:
        rates = {}
        for row in output:
            kind = "generate" if row["n_gen"] else "prompt"
            rates[kind] = float(row["tokens_per_second"])
            if kind == "generate":
                self.bytes = float(row["bytes_per_token"])
        last = output[-1]
        self.weights = last["format"]
        self.head = "bf16, exact, read in two stages" if last["head"] == "two-stage" else "bf16"
        keys = ("isa", "format", "head", "build_commit", "available_gb_per_second", "peak_rss_bytes")
        return Speeds(rates, {key: last[key] for key in keys if key in last})


@dataclass
class Worker(Peer):
    """A package of Python, measured by a program beside this one."""

    shape: Shape | None = None

    def read(self, output: object) -> Speeds:
        rates = {kind: float(output[kind]) for kind in ("prompt", "generate") if kind in output}
        return Speeds(rates, {key: output[key] for key in ("version", "system")})


@dataclass
class LlamaCpp(Worker):
    """llama-cpp-python on a file of random weights, made once."""

    file: Path | None = None

    def prepare(self, files: Path) -> None:
        if not all(map(importlib.util.find_spec, ("llama_cpp", "gguf"))):
            raise Unavailable(INSTALL)
        self.file = files / f"{self.shape.name}-{self.weights}-{self.head}.gguf"
        if not self.file.exists():
            try:
                write_model(self.file, self.shape, self.weights, self.head)
            except ValueError as error:
                raise Unavailable(str(error)) from error
        self.bytes = token_cost(self.file).bytes

    def command(self, load: Load, threads: int) -> list[str]:
        numbers = [str(load.prompt), str(load.generate), str(threads)]
        return [sys.executable, str(HERE / "llama_run.py"), str(self.file), *numbers]


@dataclass
class Torch(Worker):
    """transformers' BitNet with dense matrices."""

    weights: str = "bf16"
    head: str = "bf16"

    def prepare(self, files: Path) -> None:
        if not all(map(importlib.util.find_spec, ("torch", "transformers"))):
            raise Unavailable("not installed: see bench/peers/requirements.txt, optional part")
        self.bytes = 2 * self.shape.weights()
        need, have = self.bytes * 1.25, available_memory()
        if need > have:
            sizes = f"needs {need / 1e9:.1f} GB of memory, {have / 1e9:.1f} are free"
            raise Unavailable(f"too large: {sizes}")

    def command(self, load: Load, threads: int) -> list[str]:
        numbers = [str(load.prompt), str(load.generate), str(threads)]
        return [sys.executable, str(HERE / "torch_run.py"), self.shape.name, *numbers]


@dataclass
class LlamaBench(Peer):
    """A llama-bench of the user's choice: of llama.cpp or of a fork."""

    program: str = "llama-bench"
    model: str = ""

    def prepare(self, files: Path) -> None:
        try:
            cost = token_cost(Path(self.model))
            self.head, self.bytes, self.weights = cost.head, cost.bytes, cost.linears
        except (OSError, ValueError) as error:
            raise Unavailable(f"cannot read the model: {error}") from error

    def command(self, load: Load, threads: int) -> list[str]:
        work = ["-p", str(load.prompt), "-n", str(load.generate), "-t", str(threads), "-r", "1"]
        return [self.program, "-m", self.model, *work, "-o", "json"]

    def read(self, output: object) -> Speeds:
        rates = {}
        for row in output:
            kind = "generate" if int(row["n_gen"]) else "prompt"
            rates[kind] = float(row["avg_ts"])
        last = output[-1]
        keys = ("build_commit", "model_type", "model_size")
        return Speeds(rates, {key: last[key] for key in keys if key in last})


def parse_llama_bench(text: str) -> LlamaBench:
    """NAME=PATH,MODEL. ValueError: it is not."""
    name, equals, rest = text.partition("=")
    program, comma, model = rest.partition(",")
    if not (name and equals and program and comma and model):
        raise ValueError(f"expected NAME=PATH,MODEL, found {text!r}")
    return LlamaBench(name, program=program, model=model)
