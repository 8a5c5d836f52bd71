# SPDX-License-Identifier: Apache-2.0
"""Runs rotor."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

INTERRUPTED = 130  # exit code


class Failed(Exception):
    """A check that did not pass; the message says what was expected and what came."""


class Rotor:
    """One program file."""

    def __init__(self, program: Path) -> None:
        self.program = program
        self.version = self.run("--version").strip()

    def run(self, *words: object, stdin: str = "", env: dict[str, str] | None = None) -> str:
        """Standard output of `rotor WORDS`. Failed unless it exits with 0."""
        command = [str(self.program), *map(str, words)]
        done = subprocess.run(
            command,
            input=stdin.encode(),
            capture_output=True,
            env={**os.environ, **(env or {})},
            check=False,
        )
        if done.returncode == INTERRUPTED:
            raise KeyboardInterrupt
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()
            raise Failed(f"rotor {' '.join(command[1:])}: exit {done.returncode}: {said}")
        return done.stdout.decode(errors="replace")

    def json(self, *words: object, **options: object) -> dict:
        return json.loads(self.run(*words, "--json", **options))

    def can_pull(self) -> bool:
        try:
            return "NAME" in self.run("pull", "--help")
        except Failed:
            return False
