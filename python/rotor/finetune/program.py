# SPDX-License-Identifier: Apache-2.0
"""The program `rotor`, which reads and writes the containers that transformers does not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path


def find_program() -> str:
    """Of $ROTOR_PROGRAM (which the program itself sets), this Python's installation, or the PATH.

    FileNotFoundError when there is none.
    """
    installed = Path(sys.prefix) / "bin" / "rotor"
    program = os.environ.get("ROTOR_PROGRAM") or (
        str(installed) if installed.is_file() else shutil.which("rotor")
    )
    if program is None:
        raise FileNotFoundError(
            "the program rotor is neither beside this Python nor on the PATH; "
            "ROTOR_PROGRAM=/path/to/rotor says where it is"
        )
    return program


def convert(source: Path, target: Path, to: str) -> None:
    """Writes a model in another format: rotor, gguf or hf. ValueError has what the program said."""
    command = [find_program(), "convert", str(source), str(target), "--to", to, "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ValueError(done.stderr.strip().removeprefix("rotor: "))
