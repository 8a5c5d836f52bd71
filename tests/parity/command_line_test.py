# SPDX-License-Identifier: Apache-2.0
"""The command line: what --help promises, how options are read, and how a command ends."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from engine import Engine

COMMANDS = (
    *("run", "chat", "tokenize", "detokenize", "template", "logits", "inspect", "convert"),
    *("verify", "bench", "ppl", "doctor"),
)
PLACEHOLDER = re.compile(r"\b[A-Z]{2,}\b")


def examples(help_text: str) -> list[str]:
    """The indented lines that follow "Example:" or "Examples:"."""
    found = re.search(r"^Examples?:\n((?:  .+\n)+)", help_text, re.MULTILINE)
    assert found, f"no example in {help_text}"
    return [line.strip() for line in found[1].splitlines()]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_examples_work_as_typed(command: str, engine: Engine, tmp_path: Path) -> None:
    lines = examples(engine.check(*command.split(), "--help").stdout)
    environment = {**os.environ, "PATH": f"{engine.program.resolve().parent}:{os.environ['PATH']}"}
    for line in lines:
        if PLACEHOLDER.search(line):
            continue
        subprocess.run(
            ["bash", "-c", f"set -o pipefail; {line}"],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=True,
        )


def test_every_command_has_its_examples_tested(engine: Engine) -> None:
    listed = engine.check("--help").stdout.split("Subcommands:")[1].split("Examples:")[0]
    assert tuple(re.findall(r"^  (\w+)", listed, re.MULTILINE)) == COMMANDS
