# SPDX-License-Identifier: Apache-2.0
"""The examples run, and say what they promise."""

import subprocess
import sys

import pytest
from conftest import ROOT

# Those that need PyTorch run in python/torch_tests/test_finetune.py.
EXAMPLES = sorted(
    path
    for path in (ROOT / "examples" / "python").glob("*.py")
    if not path.stem.startswith("finetune_")
)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(path: object) -> None:
    command = [sys.executable, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= 2


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 5
