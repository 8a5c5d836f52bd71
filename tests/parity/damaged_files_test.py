# SPDX-License-Identifier: Apache-2.0
"""Model files cut short or with flipped bits, in every container: each command ends by itself, with
an exit code that means what happened, and never by a signal or a timeout (Engine.run checks both)."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from bad_models_test import CASES, COMMANDS, run
from engine import Engine, Outcome

CONTAINERS = ("rotor", "gguf", "safetensors")
CUTS = 24
FLIPS = 60


@pytest.fixture(scope="module")
def sound(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One model in each container."""
    folder = tmp_path_factory.mktemp("sound")
    paths = {name: folder / f"model.{name}" for name in CONTAINERS}
    CASES["hf-good"].write(folder / "hf")
    paths["safetensors"] = folder / "hf" / "model.safetensors"
    CASES["good.gguf"].write(paths["gguf"])
    engine.check("convert", folder / "hf", paths["rotor"])
    return paths


def damaged_copy(sound: Path, folder: Path) -> Path:
    """A copy that may be spoiled, with the files beside it that the container needs."""
    if sound.suffix != ".safetensors":
        return Path(shutil.copy(sound, folder))
    return Path(shutil.copytree(sound.parent, folder / "hf")) / sound.name


def assert_ended_well(outcome: Outcome, allowed: tuple[int, ...], what: str) -> None:
    assert outcome.status in allowed, f"{what}: {outcome}"
    assert outcome.status == 0 or outcome.stderr.startswith("rotor: "), f"{what}: {outcome}"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("container", CONTAINERS)
def test_cut_short(
    container: str, command: str, engine: Engine, sound: dict[str, Path], tmp_path: Path
) -> None:
    raw = sound[container].read_bytes()
    path = damaged_copy(sound[container], tmp_path)
    rng = random.Random(1)
    sizes = {0, 1, 7, 8, 9, len(raw) - 1, *(rng.randrange(len(raw)) for _ in range(CUTS))}
    for size in sorted(sizes):
        path.write_bytes(raw[:size])
        outcome = run(engine, command, path)
        # A GGUF file may end inside the padding of its last tensor.
        allowed = (0, 3) if container == "gguf" and len(raw) - size < 32 else (3,)
        assert_ended_well(outcome, allowed, f"{size} of {len(raw)} bytes")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("container", CONTAINERS)
def test_flipped_bits(
    container: str, command: str, engine: Engine, sound: dict[str, Path], tmp_path: Path
) -> None:
    raw = sound[container].read_bytes()
    path = damaged_copy(sound[container], tmp_path)
    # A .rotor file has checksums, which only verify reads.
    allowed = (0, 3, 6) if (container, command) == ("rotor", "verify") else (0, 3)
    rng = random.Random(2)
    ends = set()
    for number in range(FLIPS):
        spoiled = bytearray(raw)
        # Every other flip falls on the header, most of the rest on weights.
        at = rng.randrange(4096 if number % 2 == 0 else len(raw))
        bit = rng.randrange(8)
        spoiled[at] ^= 1 << bit
        path.write_bytes(spoiled)
        outcome = run(engine, command, path)
        assert_ended_well(outcome, allowed, f"bit {bit} of byte {at}")
        ends.add(outcome.status)
    assert 3 in ends, "no flip was refused: did the damage reach the file?"
