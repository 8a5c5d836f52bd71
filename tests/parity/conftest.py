# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the parity tests: the program under test and the tiny models.

$ROTOR names the program. Live tests (live_*_test.py) need tests/parity/requirements.txt and are
collected only where torch is installed.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import hf_writer
import tiny_models
from engine import Engine, find_program, isa_levels

# Read when torch is imported, whoever imports it first; see reference.py.
os.environ["TORCHDYNAMO_DISABLE"] = "1"
HAS_TORCH = importlib.util.find_spec("torch") is not None
collect_ignore_glob = [] if HAS_TORCH else ["live_*_test.py"]


def pytest_report_header() -> list[str]:
    """Says what is tested, and what is left out."""
    live = "collected" if HAS_TORCH else "LEFT OUT: torch is not installed"
    levels = ", ".join(isa_levels())
    return [f"rotor: {find_program()}; ISA levels: {levels}; live parity tests: {live}"]


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The program under test."""
    program = find_program()
    assert program is not None and program.is_file(), f"no rotor program at {program}; set $ROTOR"
    return Engine(program)


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Callable[[tiny_models.Recipe], Path]:
    """Writes the Hugging Face directory of a recipe, once."""
    root = tmp_path_factory.mktemp("models")

    def make(recipe: tiny_models.Recipe) -> Path:
        folder = root / recipe.name
        if not folder.exists():
            hf_writer.write_model(folder, recipe, tiny_models.make_weights(recipe))
        return folder

    return make
