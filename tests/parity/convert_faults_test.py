# SPDX-License-Identifier: Apache-2.0
"""rotor convert that is killed, interrupted or out of disk, or told to overwrite what it reads:
the old file stays as it was, and nothing half-written takes its name."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine import MIB, Engine
from tiny_models import RECIPES, Recipe

LARGE = "synthetic:bitnet-2b-4t"  # a gigabyte: no machine has written it before the kill
SMALL = "synthetic:tiny"
OLD = b"the file that was here before"


@pytest.fixture(params=["model.rotor", "model.gguf"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file to convert over."""
    path = tmp_path / "out" / request.param
    path.parent.mkdir()
    path.write_bytes(OLD)
    return path


def temporaries(target: Path) -> list[Path]:
    return [path for path in target.parent.iterdir() if path.name != target.name]


def assert_untouched(target: Path) -> None:
    """The old file is there, byte for byte, and alone."""
    assert target.read_bytes() == OLD
    assert temporaries(target) == []


def bytes_of(path: Path) -> int:
    """Of a file, or of all files of a folder."""
    return sum(file.stat().st_size for file in (path, *path.rglob("*")) if file.is_file())


def stop_midway(
    engine: Engine, target: Path, number: int, size: int, *options: str
) -> tuple[int, int]:
    """Signals a conversion once it has written `size` bytes; returns its status and what it had."""
    process = subprocess.Popen(
        [str(engine.program), "convert", "-q", "-t", "2", LARGE, str(target), *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    written, deadline = 0, time.monotonic() + 120
    try:
        while written < size:
            assert process.poll() is None, "the conversion ended before it was stopped"
            assert time.monotonic() < deadline, f"{written} bytes after two minutes"
            written = sum(map(bytes_of, temporaries(target)))
            time.sleep(0.001)
        process.send_signal(number)
        return process.wait(timeout=60), written
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("size", [1, 8 * MIB, 150 * MIB])
def test_sigkill_leaves_the_old_file(engine: Engine, target: Path, size: int) -> None:
    status, written = stop_midway(engine, target, signal.SIGKILL, size)
    assert status == -signal.SIGKILL
    assert written >= size
    assert target.read_bytes() == OLD
    assert len(temporaries(target)) == 1, "the kill came before or after the writing"
    engine.check("convert", SMALL, target)
    assert temporaries(target) == [], "what a dead process left is not removed"
    engine.check("verify", target)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("size", [1, 150 * MIB])
def test_interrupts_leave_nothing(
    engine: Engine, target: Path, number: signal.Signals, size: int
) -> None:
    status, _ = stop_midway(engine, target, number, size)
    assert status == 130
    assert_untouched(target)


def test_a_killed_folder_is_cleared_away(engine: Engine, tmp_path: Path) -> None:
    target = tmp_path / "out" / "model"
    target.parent.mkdir()
    status, _ = stop_midway(engine, target, signal.SIGKILL, 8 * MIB, "--to", "hf")
    assert status == -signal.SIGKILL
    assert not target.exists() and len(temporaries(target)) == 1
    engine.check("convert", SMALL, target, "--to", "hf")
    assert temporaries(target) == [], "what a dead process left is not removed"
    engine.check("verify", target)


@pytest.mark.parametrize("size", [1, 150 * MIB])
def test_an_interrupted_folder_leaves_nothing(engine: Engine, tmp_path: Path, size: int) -> None:
    target = tmp_path / "out" / "model"
    target.parent.mkdir()
    status, _ = stop_midway(engine, target, signal.SIGINT, size, "--to", "hf")
    assert status == 130
    assert list(target.parent.iterdir()) == []


def assert_says_why(engine: Engine, target: Path, *options: object, limit: int | None = None) -> None:
    """A conversion fails with exit code 1, one line that names the file, and the old file intact."""
    done = subprocess.run(
        [str(engine.program), "convert", "-q", LARGE, str(target), *map(str, options)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=None
        if limit is None
        else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 1, done
    assert done.stderr.count("\n") == 1 and target.name in done.stderr, done
    assert_untouched(target)


@pytest.mark.parametrize("limit", [0, 4096, 20 * MIB])
def test_file_size_limit(engine: Engine, target: Path, limit: int) -> None:
    assert_says_why(engine, target, limit=limit)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("SKIPPED: no right to mount a small tmpfs; only RLIMIT_FSIZE was tested")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("name", ["model.rotor", "model.gguf"])
def test_full_disk(name: str, engine: Engine, small_disk: Path) -> None:
    target = small_disk / name
    target.write_bytes(OLD)
    assert_says_why(engine, target)
    engine.check("convert", SMALL, target)  # the space is free again


def test_full_disk_leaves_no_folder(engine: Engine, small_disk: Path) -> None:
    outcome = engine.run("convert", "-q", LARGE, f"{small_disk}/model/")
    assert outcome.status == 1 and "model" in outcome.stderr, outcome
    assert list(small_disk.iterdir()) == []
    engine.check("convert", SMALL, f"{small_disk}/model/")


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("way", ["name", "dotted", "symlink", "hard link"])
def test_output_is_the_input(engine: Engine, tmp_path: Path, way: str) -> None:
    source = tmp_path / "model.rotor"
    engine.check("convert", SMALL, source)
    other = tmp_path / "other.rotor"
    if way == "symlink":
        other.symlink_to(source)
    elif way == "hard link":
        other.hardlink_to(source)
    else:
        other = source if way == "name" else tmp_path / "." / ".." / tmp_path.name / source.name
    before = snapshot(tmp_path)
    for arguments in ((source, other), (other, source)):
        outcome = engine.run("convert", *arguments)
        assert outcome.status == 2, outcome
        assert "the output is the input" in outcome.stderr, outcome
        assert snapshot(tmp_path) == before


@pytest.mark.parametrize("recipe", ["packed-multiply", "sharded"])
def test_output_is_a_file_of_the_input_folder(
    recipe: str, engine: Engine, model_dir: Callable[[Recipe], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model_dir(RECIPES[recipe]), folder)
    before = snapshot(folder)
    for name in before:
        outcome = engine.run("convert", folder, folder / name)
        assert outcome.status == 2, outcome
        assert "the output is a file of the input folder" in outcome.stderr, outcome
    assert snapshot(folder) == before
    engine.check("convert", folder, folder / "new.rotor")


def test_folders_that_cannot_be_written(engine: Engine, target: Path) -> None:
    for options in ((), ("--to", "rotor"), ("--to", "gguf")):
        outcome = engine.run("convert", SMALL, target.parent, *options)
        assert outcome.status == 2 and "is a folder" in outcome.stderr, outcome
    outcome = engine.run("convert", SMALL, target.parent / "missing" / "model.rotor")
    assert outcome.status == 1 and "missing" in outcome.stderr, outcome
    assert_untouched(target)
    if os.geteuid() == 0:  # permissions do not bind root; a file system that is no disk does
        outcome = engine.run("convert", SMALL, "/proc/model.rotor")
    else:
        target.parent.chmod(0o555)
        outcome = engine.run("convert", SMALL, target)
        target.parent.chmod(0o755)
    assert outcome.status == 1 and "model.rotor" in outcome.stderr, outcome
    assert_untouched(target)


def test_a_link_is_followed_and_stays(engine: Engine, target: Path, tmp_path: Path) -> None:
    link = tmp_path / f"link{target.suffix}"
    link.symlink_to(target)
    engine.check("convert", SMALL, link)
    assert link.is_symlink()
    engine.check("verify", target)
