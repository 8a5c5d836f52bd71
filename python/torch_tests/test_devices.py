# SPDX-License-Identifier: Apache-2.0
"""Training where the model is not on the CPU."""

import subprocess
import sys
from pathlib import Path


def test_nothing_is_left_on_the_cpu() -> None:
    """on_pretended.py, in a process of its own: a device is registered for a whole process."""
    cases = Path(__file__).parent / "on_pretended.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(cases)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
