# SPDX-License-Identifier: Apache-2.0
"""What the program says on a machine that gives less than was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

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


Limited = Callable[[int], Path]
MEMORY_GROUPS = [  # versions 1 and 2: the folder of all groups and the file of the limit
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
    (Path("/sys/fs/cgroup"), "memory.max"),
]


@pytest.fixture
def limited(request: pytest.FixtureRequest) -> Iterator[Limited]:
    """Makes a control group with so many bytes of memory."""
    made: list[Path] = []

    def make(limit: int) -> Path:
        for root, name in MEMORY_GROUPS:
            folder = root / f"rotor-test-{request.node.name}"
            try:
                folder.mkdir()
                made.append(folder)
                (folder / name).write_text(str(limit))
            except OSError:
                continue
            return folder
        pytest.skip("this machine lets nobody make a control group with a memory limit")

    yield make
    for folder in made:
        folder.rmdir()


SYNTHETIC = ("bench", "--synthetic", "bitnet-2b-4t", "-p", 8, "-n", 2, "-r", 1, "-q")


def test_the_official_shape_runs_in_a_group_of_1500_mb(engine: Engine, limited: Limited) -> None:
    outcome = engine.run(*SYNTHETIC, "-o", "csv", seconds=300, group=limited(1500 * 1000 * 1000))
    assert outcome.status == 0, outcome.text
    peak = int(outcome.stdout.splitlines()[-1].split(",")[-1])
    assert peak < 1_100_000_000


def test_a_group_smaller_than_the_model_is_refused(engine: Engine, limited: Limited) -> None:
    outcome = engine.run(*SYNTHETIC, group=limited(512 * MIB))
    assert outcome.status == OUT_OF_MEMORY, outcome.text
    assert "the model needs 7" in outcome.stderr
    assert "of memory; this control group allows 536 MB" in outcome.stderr


def test_a_group_too_small_for_the_context_is_told_what_fits(
    engine: Engine, limited: Limited
) -> None:
    outcome = engine.run("run", STORIES, "-p", "x", "-c", 1 << 20, group=limited(256 * MIB))
    assert outcome.status == OUT_OF_MEMORY, outcome.text
    assert "a context of 1048576 positions" in outcome.stderr
    assert "this control group allows 268 MB, enough for a context of" in outcome.stderr
