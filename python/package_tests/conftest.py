# SPDX-License-Identifier: Apache-2.0
"""Tests of the installed package; the program is the one it brought."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import rotor

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def model() -> rotor.Model:
    return rotor.Model.from_pretrained("stories", threads=2, sequences=4)


@pytest.fixture(scope="session")
def chat_model() -> rotor.Model:
    return rotor.Model.from_pretrained("stories-chat", threads=1)


@pytest.fixture(scope="session")
def program() -> Callable[..., str]:
    """Runs the installed ``rotor`` and gives what it writes."""
    path = Path(sys.executable).parent / "rotor"

    def run(*arguments: object) -> str:
        command = [str(path), *map(str, arguments)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    return run
