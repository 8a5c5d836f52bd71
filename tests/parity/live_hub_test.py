# SPDX-License-Identifier: Apache-2.0
"""The cache is shared with huggingface_hub: each finds what the other has downloaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import ROOT, Engine
from hub_server import Hub

STORIES = (ROOT / "models" / "stories.rotor").read_bytes()
FILES = {"config.json": b'{"a": 1}', "stories.rotor": STORIES, "sub/notes.json": b"[]"}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as started:
        started.add("org/tiny", dict(FILES))
        yield started


def environment(hub: Hub, home: Path) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    return inherited | {"HF_HOME": str(home), "HF_ENDPOINT": hub.address, "HF_HUB_DISABLE_XET": "1"}


def python(script: str, variables: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"import json, huggingface_hub as h\n{script}"],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def rotor(engine: Engine, variables: dict[str, str], *arguments: str) -> str:
    command = [str(engine.program), *arguments]
    return subprocess.run(command, env=variables, check=True, capture_output=True, text=True).stdout


def test_huggingface_hub_finds_what_rotor_downloaded(
    engine: Engine, hub: Hub, tmp_path: Path
) -> None:
    variables = environment(hub, tmp_path)
    path = rotor(engine, variables, "pull", "org/tiny").strip()
    offline = variables | {"HF_HUB_OFFLINE": "1"}
    assert python("print(h.hf_hub_download('org/tiny', 'stories.rotor'))", offline) == path
    assert python("print(h.try_to_load_from_cache('org/tiny', 'stories.rotor'))", offline) == path
    scan = (
        "c = h.scan_cache_dir()\nassert not c.warnings, c.warnings\n"
        "r, = c.repos\nv, = r.revisions\n"
        "print(json.dumps([r.repo_id, sorted(v.refs), v.commit_hash, v.size_on_disk]))"
    )
    commit = hub.find("org/tiny", "main").commit
    assert json.loads(python(scan, offline)) == ["org/tiny", ["main"], commit, len(STORIES)]
    # Online it checks, takes the rest beside it, and downloads nothing again.
    contents = len(hub.asked("content"))
    python("h.snapshot_download('org/tiny')", variables)
    assert len(hub.asked("content")) == contents


def test_rotor_finds_what_huggingface_hub_downloaded(
    engine: Engine, hub: Hub, tmp_path: Path
) -> None:
    variables = environment(hub, tmp_path)
    folder = python("print(h.snapshot_download('org/tiny'))", variables)
    before = len(hub.requests)
    offline = variables | {"HF_HUB_OFFLINE": "1"}
    assert rotor(engine, offline, "pull", "org/tiny").strip() == f"{folder}/stories.rotor"
    rows = json.loads(rotor(engine, offline, "ls", "--json"))
    assert [row["name"] for row in rows] == ["org/tiny"]
    assert "Once" not in rotor(engine, variables, "run", "org/tiny", "-p", "A", "-n", "2", "-q")
    assert len(hub.requests) == before
    rotor(engine, variables, "pull", "org/tiny")
    assert len(hub.asked("content")) == 1, "downloaded twice"
    rotor(engine, variables, "rm", "org/tiny", "--yes")
    assert python("print(len(h.scan_cache_dir().repos))", variables) == "0"


def test_one_lock_for_both(engine: Engine, hub: Hub, tmp_path: Path) -> None:
    variables = environment(hub, tmp_path)
    commands = [
        [sys.executable, "-c", "import huggingface_hub as h; h.snapshot_download('org/tiny')"],
        [str(engine.program), "pull", "org/tiny"],
    ]
    running = [subprocess.Popen(c, env=variables, stdout=subprocess.DEVNULL) for c in commands]
    assert [process.wait(60) for process in running] == [0, 0]
    assert len(hub.asked("content")) == 1, "downloaded twice"
