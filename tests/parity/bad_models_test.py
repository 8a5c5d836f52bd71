# SPDX-License-Identifier: Apache-2.0
"""Models that contradict themselves and hostile files: refused with exit code 3 and one clear
message, within a time and memory limit, whatever is asked of them."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import MIB, ROOT, Engine, Outcome
from tiny_models import RECIPES, Recipe

sys.path.insert(0, str(ROOT / "tools"))
import make_bad_models

CASES = {case.name: case for case in make_bad_models.HF_CASES + make_bad_models.GGUF_CASES}
COMMANDS = {
    "inspect": ("inspect",),
    "verify": ("verify",),
    "run": ("run", "-n", "1", "-p", "a", "-t", "2"),
}
DATA = Path(os.environ.get("ROTOR_TEST_DATA", ROOT.parent / "shared" / "data")) / "hostile"
MADE_HERE = DATA / "made-here" / "manifest-dev.json"
BITNET_RS = sorted((DATA / "bitnet-rs").rglob("*.gguf"))


def run(engine: Engine, command: str, path: Path) -> Outcome:
    """One command on one file, within 20 seconds and 1 GiB of address space."""
    return engine.run(*COMMANDS[command], path, seconds=20, memory=1024 * MIB)


def assert_refused(outcome: Outcome, path: Path) -> None:
    """Exit code 3 and one message on stderr that names the file."""
    assert outcome.status == 3, outcome
    assert path.name in outcome.stderr, outcome
    assert outcome.stderr.count("\n") <= 4, f"more than one message: {outcome.stderr}"
    assert outcome.stdout.strip() == "", f"a refused file printed text: {outcome.stdout}"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", CASES)
def test_contradictory_model(name: str, command: str, engine: Engine, tmp_path: Path) -> None:
    case, path = CASES[name], tmp_path / name
    case.write(path)
    outcome = run(engine, command, path)
    if case.accept:
        assert outcome.status == 0, outcome
    else:
        assert_refused(outcome, path)
    for word in case.words:
        if not case.accept or command == "inspect":
            assert word.lower() in outcome.text.lower(), f"no word of {word!r}: {outcome}"


def test_verify_finds_a_changed_bit(
    engine: Engine, model_dir: Callable[[Recipe], Path], tmp_path: Path
) -> None:
    good = tmp_path / "good.rotor"
    engine.check("convert", model_dir(RECIPES["packed-multiply"]), good)
    raw = good.read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    base = 8 + int.from_bytes(raw[:8], "little")
    for name in ("layers.1.up.weight", "layers.0.attn_norm.weight", "embed.weight"):
        changed = bytearray(raw)
        changed[base + header[name]["data_offsets"][0] + 1] ^= 1
        bad = tmp_path / "bad.rotor"
        bad.write_bytes(changed)
        outcome = run(engine, "verify", bad)
        assert outcome.status in (3, 6), outcome
        assert name in outcome.stderr, outcome


@pytest.mark.parametrize("length", [0, 7, 8, 1000, -1000, -1])
def test_truncated_rotor_file(
    length: int, engine: Engine, model_dir: Callable[[Recipe], Path], tmp_path: Path
) -> None:
    good, bad = tmp_path / "good.rotor", tmp_path / "bad.rotor"
    engine.check("convert", model_dir(RECIPES["packed-multiply"]), good)
    bad.write_bytes(good.read_bytes()[:length])
    for command in COMMANDS:
        assert_refused(run(engine, command, bad), bad)


def made_here() -> list[dict[str, object]]:
    """The manifest of the hostile files; empty without the test data."""
    return json.loads(MADE_HERE.read_text()) if MADE_HERE.exists() else []


@pytest.mark.skipif(not MADE_HERE.exists(), reason=f"no hostile files: {MADE_HERE} is missing")
@pytest.mark.parametrize("entry", made_here(), ids=lambda entry: entry["file"] if isinstance(entry, dict) else "absent")
def test_hostile_container(entry: dict[str, object], engine: Engine) -> None:
    path = MADE_HERE.parent / str(entry["file"])
    assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"]
    outcome = engine.run("inspect", "--container", path, seconds=20, memory=1024 * MIB)
    if entry["accept"]:
        assert outcome.status == 0, outcome
    else:
        assert_refused(outcome, path)
    for command in COMMANDS:  # none of these files is a model
        outcome = run(engine, command, path)
        assert outcome.status == 3, outcome
        assert outcome.stderr.strip(), "refused without a word"


@pytest.mark.skipif(not BITNET_RS, reason=f"no hostile files: {DATA / 'bitnet-rs'} is missing")
@pytest.mark.parametrize("path", BITNET_RS, ids=lambda path: path.name)
def test_stub_files(path: Path, engine: Engine) -> None:
    for command in COMMANDS:
        outcome = run(engine, command, path)
        assert outcome.status in (0, 3), outcome
    assert engine.run("inspect", "--container", path, seconds=20).status in (0, 3)
