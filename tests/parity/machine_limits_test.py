# SPDX-License-Identifier: Apache-2.0
"""What the program says on a machine that gives less than was asked for."""

from __future__ import annotations

from engine import MIB, ROOT, Engine

STORIES = ROOT / "models" / "stories.rotor"
OUT_OF_MEMORY = 4


def test_too_many_threads(engine: Engine) -> None:
    """A thread wants a stack; where there is no room for all of them, the program says how many."""
    outcome = engine.run("run", STORIES, "-p", "x", "-n", 1, "-t", 1024, memory=1024 * MIB)
    assert outcome.status == OUT_OF_MEMORY, outcome.text
    assert "of 1024 threads; ask for fewer" in outcome.stderr


def test_too_little_memory_for_the_cache(engine: Engine) -> None:
    """A context that does not fit is refused with its size, before any work."""
    outcome = engine.run("run", STORIES, "-p", "x", "-n", 1, "-c", 1 << 23, memory=1024 * MIB)
    assert outcome.status == OUT_OF_MEMORY, outcome.text
    assert "a key/value cache of 8388608 positions: cannot allocate" in outcome.stderr
