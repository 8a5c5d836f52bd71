# SPDX-License-Identifier: Apache-2.0
"""tools/check_official from end to end, against a local hub with tiny models in the official forms:
what it passes, what it refuses, and how it goes on after an interruption."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import hf_writer
import official_model
import tiny_models
from engine import ROOT, Engine
from hub_server import Hub, Mishap, cut, only, slow
from tiny_models import Recipe

MASTER = Recipe("official", hidden=128, ffn=256, heads=4, kv_heads=1, storage="master")
TEXT = "The king had three sons, and the youngest of them was called the fool. " * 60
COMMITS = {
    "microsoft/packed": "1" * 40,
    "microsoft/bf16": "2" * 40,
    "microsoft/gguf": "3" * 40,
    "datasets/org/text": "4" * 40,
}
OFFICIAL = json.loads((ROOT / "tools" / "check_official" / "official.json").read_text())
CHECKS = 15


@pytest.fixture(scope="module")
def repos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One model in three forms, and a text."""
    root = tmp_path_factory.mktemp("repos")
    official_model.write(root, MASTER, embedding_rows=100)
    (root / "text").mkdir()
    with zipfile.ZipFile(root / "text" / "text.zip", "w") as archive:
        archive.writestr("raw/wiki.test.raw", TEXT)
    return {name: root / name.split("/")[-1] for name in COMMITS}


@pytest.fixture
def hub(repos: dict[str, Path]) -> Iterator[Hub]:
    with Hub() as started:
        for name, commit in COMMITS.items():
            started.add_folder(name, repos[name], commit=commit)
        yield started


def table() -> dict:
    """The table of the official model, with the sizes of the tiny one."""
    result = json.loads(json.dumps(OFFICIAL))
    for form, entry in result["models"].items():
        entry["repo"] = f"microsoft/{form}"
    result["text"] |= {
        "repo": "datasets/org/text",
        "file": "text.zip",
        "member": "raw/wiki.test.raw",
        "sha256": hashlib.sha256(TEXT.encode()).hexdigest(),
    }
    result["inspect"] |= {
        "vocab_size": MASTER.vocab,
        "context_length": MASTER.max_positions,
        "hidden_size": MASTER.hidden,
        "intermediate_size": MASTER.ffn,
        "num_hidden_layers": MASTER.layers,
        "num_attention_heads": MASTER.heads,
        "num_key_value_heads": MASTER.kv_heads,
        "head_dim": MASTER.head_dim,
        "ternary_parameters": MASTER.layers
        * sum(math.prod(MASTER.shape(name)) for name in tiny_models.PROJECTIONS),
    }
    special = hf_writer.token_ids()
    result["stop_tokens"] = [special[hf_writer.EOS], special[hf_writer.EOT]]
    return result


def judged(*arguments: object) -> dict | str:
    """What the tool finds, or how it fails. Its modules are no package: a process of their own."""
    script = "import json, sys, checks; print(json.dumps(checks.judged(*json.load(sys.stdin))))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps(arguments),
        env=os.environ | {"PYTHONPATH": str(ROOT / "tools" / "check_official")},
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr


class Run:
    """One folder that check_official works in."""

    def __init__(self, engine: Engine, hub: Hub, folder: Path) -> None:
        self.engine, self.hub, self.folder = engine, hub, folder
        self.table = table()

    def check(self, transformers: bool = False) -> tuple[int, dict]:
        """The exit code and the checks of report.json."""
        done = subprocess.run(
            self.command(transformers), capture_output=True, text=True, timeout=300, check=False
        )
        report = self.folder / "out" / "report.json"
        assert report.exists(), done.stdout + done.stderr
        return done.returncode, json.loads(report.read_text())["checks"]

    def command(self, transformers: bool = False) -> list[str]:
        (self.folder / "table.json").write_text(json.dumps(self.table))
        command = [sys.executable, str(ROOT / "tools" / "check_official")]
        command += ["--rotor", str(self.engine.program), "--endpoint", self.hub.address]
        command += ["--table", str(self.folder / "table.json"), "--out", str(self.folder / "out")]
        return command + ["--random-weights", *([] if transformers else ["--no-transformers"])]


@pytest.fixture
def run(engine: Engine, hub: Hub, tmp_path: Path) -> Run:
    return Run(engine, hub, tmp_path)


def test_passes_and_reports(run: Run) -> None:
    live = all(map(importlib.util.find_spec, ("torch", "transformers")))
    status, checks = run.check(transformers=live)
    failed = {name: result for name, result in checks.items() if result["result"] == "FAILED"}
    assert (status, failed) == (0, {})
    assert len(checks) == CHECKS
    assert checks["logits of transformers"]["result"] == ("passed" if live else "skipped")
    hashes = checks["same trits"]["trits_sha256"]
    assert len(hashes) == 3 and len(set(hashes.values())) == 1
    assert checks["download packed"]["revision"] == "1" * 40
    assert checks["perplexity"]["windows"] >= 2
    stored = run.hub.find("microsoft/bf16", "main").files["model.safetensors"]
    found = checks["download bf16"]["sha256"]["model.safetensors"]
    assert found == hashlib.sha256(stored).hexdigest()
    text = (run.folder / "out" / "report.md").read_text()
    assert "| same trits | passed |" in text and hashes["gguf"] in text
    asked = len(run.hub.requests)
    assert run.check(transformers=live)[0] == 0
    assert len(run.hub.requests) == asked, "nothing is downloaded twice"


def halved(hub: Hub, repo: str, name: str) -> Mishap:
    """A connection that ends in the middle of a file, once."""
    content = hub.find(repo, "main").files[name]
    return only(content, cut(len(content) // 2))


def test_goes_on_after_an_interruption(run: Run) -> None:
    """`rotor pull` does so by itself, the download of the text when it is run again."""
    run.hub.mishaps = [halved(run.hub, "microsoft/packed", "model.safetensors")]
    status, checks = run.check()
    assert (run.hub.mishaps, status) == ([], 0), checks


def test_a_repository_that_is_not_there_is_named(run: Run) -> None:
    run.table["text"]["repo"] = "datasets/org/none"
    status, checks = run.check()
    assert status == 1
    assert "/api/datasets/org/none/revision/main: HTTP Error 401" in checks["perplexity"]["why"]


def test_goes_on_with_the_text_when_run_again(run: Run) -> None:
    run.hub.mishaps = [halved(run.hub, "datasets/org/text", "text.zip")]
    status, checks = run.check()
    assert status == 1
    assert "run it again" in checks["perplexity"]["why"]
    assert checks["download packed"]["result"] == "passed"
    status, checks = run.check()
    assert (status, checks["perplexity"]["result"]) == (0, "passed")


@pytest.mark.parametrize("heard", [signal.SIG_DFL, signal.SIG_IGN], ids=["front", "background"])
def test_goes_on_after_ctrl_c(run: Run, heard: signal.Handlers) -> None:
    """Also where Python, started by a script in the background, ignores it and rotor alone ends."""
    content = run.hub.find("microsoft/bf16", "main").files["model.safetensors"]
    run.hub.mishaps = [only(content, slow(60))]
    process = subprocess.Popen(
        run.command(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, heard),
    )
    cache = run.folder / "out" / "hub" / "cache" / "models--microsoft--bf16"
    for _ in range(3000):
        parts = list(cache.rglob("*.incomplete"))
        if parts and parts[0].stat().st_size == len(content) // 2:
            break
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said == b"check_official: interrupted; run it again to go on\n"
    asked = len(run.hub.requests)
    assert run.check()[0] == 0
    ranges = [r.headers.get("Range") for r in run.hub.requests[asked:]]
    assert f"bytes={len(content) // 2}-" in ranges


def test_other_trits_are_found(run: Run, tmp_path: Path) -> None:
    other = Recipe("other", hidden=128, ffn=256, heads=4, kv_heads=1)
    folder = hf_writer.write_model(tmp_path / "other", other, tiny_models.make_weights(other))
    run.hub.repositories["microsoft/packed"] = []
    run.hub.add_folder("microsoft/packed", folder, commit=COMMITS["microsoft/packed"])
    status, checks = run.check()
    assert status == 1
    assert "the trits differ" in checks["same trits"]["why"]
    assert checks["logits of the forms"]["result"] == "FAILED"


def test_a_choice_among_equals_is_no_difference() -> None:
    """A model of many tokens and random weights has several that are as good as the likeliest."""
    rows = [[[0.0, 3.0, 3.01, -1.0]] * 4, [[0.0, 3.01, 3.0, -1.0]] * 4]
    found = judged(*rows, "packed", "near_top")
    assert (found["same_top"], found["near_top"]) == (0, 1)
    assert "a same_top of at least 0.85" in judged(*rows, "packed")
    flat = [[0.3, *[0.0] * 1000]] * 4
    assert "'near_top': 0.0" in judged(flat, [row[::-1] for row in flat], "packed", "near_top")


@pytest.mark.parametrize(
    ("path", "value", "check"),
    [
        (("models", "gguf", "files", "ggml-model-i2_s.gguf"), "0" * 64, "download gguf"),
        (("models", "bf16", "revision"), "5" * 40, "download bf16"),
        (("inspect", "rope_theta"), 10000.0, "inspect packed"),
        (("stop_tokens",), [1, 2], "inspect gguf"),
        (("text", "sha256"), "0" * 64, "perplexity"),
    ],
)
def test_what_is_not_as_pinned_fails(
    run: Run, path: tuple[str, ...], value: object, check: str
) -> None:
    place = run.table
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    status, checks = run.check()
    assert status == 1
    assert checks[check]["result"] == "FAILED", checks[check]


def test_what_does_not_fit_the_memory_is_left_out(run: Run) -> None:
    """A process that the system kills would take the checks after it along."""
    words = run.command(transformers=True)[1:]
    script = "import runpy, sys, checks; from unittest import mock; "
    script += "checks.available_memory = lambda: 1 << 20; "
    script += "checks.importlib = mock.Mock(); "  # finds transformers, wherever this runs
    script += "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        env=os.environ | {"PYTHONPATH": words[0]},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    checks = json.loads((run.folder / "out" / "report.json").read_text())["checks"]
    assert checks["logits of transformers"]["result"] == "skipped"
    assert "0.0 GB are free" in checks["logits of transformers"]["why"]
    assert checks["chat"]["result"] == "passed"
