# SPDX-License-Identifier: Apache-2.0
"""Runs the program under test and reads what it writes."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
MIB = 1 << 20
# What one level needs, as /proc/cpuinfo names it.
ISA_FLAGS = {
    "scalar": (),
    "avx2": ("avx2", "fma", "f16c"),
    "avxvnni": ("avx2", "avx_vnni"),
    "avx512vnni": ("avx512_vnni",),
    "avx512vbmi": ("avx512_vnni", "avx512vbmi"),
    "amx": ("amx_tile", "amx_int8"),
}


def find_program() -> Path | None:
    """The program: $ROTOR, else the newest build of the working tree."""
    if "ROTOR" in os.environ:
        return Path(os.environ["ROTOR"])
    builds = [path for path in (ROOT / "build").glob("*/cli/rotor") if path.is_file()]
    return max(builds, key=lambda path: path.stat().st_mtime, default=None)


def isa_levels() -> list[str]:
    """The levels of ISA_FLAGS that this machine runs, weakest first."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        flags = set()
    return [level for level, needs in ISA_FLAGS.items() if flags.issuperset(needs)]


@dataclass(frozen=True)
class Outcome:
    """How a run ended; text is stdout and stderr together, for messages."""

    status: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        return self.stdout + self.stderr


class Engine:
    """One program file."""

    def __init__(self, program: Path) -> None:
        self.program = program

    def run(
        self,
        *arguments: object,
        stdin: bytes = b"",
        isa: str | None = None,
        seconds: float = 120,
        memory: int | None = None,
        group: Path | None = None,
    ) -> Outcome:
        """Runs ``rotor ARGUMENTS``; a timeout or a signal is an error of its own.

        memory: limit of the address space, bytes. group: the folder of a control group to run in.
        """
        environment = {key: value for key, value in os.environ.items() if key != "ROTOR_ISA"}
        if isa is not None:
            environment["ROTOR_ISA"] = isa

        def limit() -> None:
            if memory is not None:
                resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            if group is not None:
                (group / "cgroup.procs").write_text(str(os.getpid()))

        done = subprocess.run(
            [str(self.program), *map(str, arguments)],
            input=stdin,
            capture_output=True,
            env=environment,
            timeout=seconds,
            preexec_fn=limit,
            check=False,
        )
        stdout, stderr = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
        assert done.returncode >= 0, f"{arguments}: killed by signal {-done.returncode}\n{stderr}"
        return Outcome(done.returncode, stdout, stderr)

    def check(self, *arguments: object, **options: object) -> Outcome:
        """Runs and requires success."""
        outcome = self.run(*arguments, **options)
        assert outcome.status == 0, f"rotor {' '.join(map(str, arguments))}: {outcome}"
        return outcome

    def logits(
        self,
        model: Path,
        tokens: list[int],
        *options: object,
        isa: str | None = None,
        trace: dict[str, np.ndarray] | None = None,
        inject: dict[str, np.ndarray] | None = None,
        kv: str = "f32",
    ) -> np.ndarray:
        """float32 (tokens, vocab). trace receives what --trace writes; inject is replaced."""
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            out = folder / "logits.npy"
            command = ["logits", model, "--tokens", ",".join(map(str, tokens))]
            command += ["--kv", kv, "--out", out, *options]
            if inject is not None:
                command += ["--inject", _write_arrays(folder / "inject", inject)]
            if trace is not None:
                command += ["--trace", folder / "trace"]
            self.check(*command, isa=isa)
            if trace is not None:
                for file in (folder / "trace").glob("*.npy"):
                    trace[file.name.removesuffix(".npy")] = np.load(file)
            return np.load(out)


def _write_arrays(folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    """Writes codes and scales of a trace, one .npy each."""
    folder.mkdir()
    for name, array in arrays.items():
        if name.endswith((".q", ".scale")):
            np.save(folder / f"{name}.npy", array)
    return folder
