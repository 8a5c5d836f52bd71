# SPDX-License-Identifier: Apache-2.0
"""Models by the names of the hub, against a hub on this machine."""

import json
import signal
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

import rotor

sys.path.insert(0, str(ROOT / "tests" / "parity"))
import hub_server  # type: ignore[import-not-found]

REPO = "org/tiny"
STORIES = (ROOT / "models" / "stories.rotor").read_bytes()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[hub_server.Hub]:
    for name in ("HF_HUB_CACHE", "HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    with hub_server.Hub() as started:
        monkeypatch.setenv("HF_ENDPOINT", started.address)
        started.add(REPO, {"stories.rotor": STORIES}, revisions=("main", "v1"))
        yield started


def load(name: str = REPO, **options: object) -> rotor.Model:
    return rotor.Model.from_pretrained(name, threads=1, context=64, **options)  # type: ignore[arg-type]


def test_a_name_is_downloaded_once(hub: hub_server.Hub, tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    model = load(progress=lambda *step: steps.append(step))
    assert model.path.startswith(str(tmp_path / "home" / "hub" / "models--org--tiny"))
    assert model.generate("Once", max_new_tokens=3).text
    assert all(0 <= done <= total for _, done, total in steps)
    assert steps[-1] == ("stories.rotor", len(STORIES), len(STORIES))
    before = len(hub.requests)
    for name in (REPO, f"{REPO}:stories.rotor", f"hf://{REPO}", f"{REPO}@v1"):
        assert load(name, local_files_only=name == f"hf://{REPO}").path == model.path
        if name != f"{REPO}@v1":
            assert len(hub.requests) == before
    assert len(hub.asked("content", "GET")) == 1
    assert load(revision="v1").path == model.path


def test_a_bar_moves_to_the_end(hub: hub_server.Hub) -> None:
    class Bar:
        n: float = 0
        total: float | None = None

        def update(self, n: float = 1) -> None:
            self.n += n

    hub.mishaps.append(hub_server.slow(0.3))
    bar = Bar()
    load(progress=bar)
    assert bar.n == bar.total == len(STORIES)


def test_cache_and_token_are_what_was_said(hub: hub_server.Hub, tmp_path: Path) -> None:
    hub.repositories[REPO][0].gated = True
    with pytest.raises(ConnectionError, match="gated"):
        load()
    with pytest.raises(ConnectionError):
        load(token=False)
    model = load(token="hf_secret", cache_dir=tmp_path / "other")
    assert model.path.startswith(str(tmp_path / "other" / "models--org--tiny"))
    assert hub.asked("hub")[-1].headers["Authorization"] == "Bearer hf_secret"
    assert "Authorization" not in hub.asked("content")[-1].headers


def test_nobody_is_asked_for_local_files(hub: hub_server.Hub) -> None:
    with pytest.raises(FileNotFoundError, match="not in the cache"):
        load(local_files_only=True)
    assert not hub.requests


def test_names_that_make_no_sense(hub: hub_server.Hub) -> None:
    with pytest.raises(ValueError, match="revision"):
        load(f"{REPO}@v1", revision="v2")
    for revision in ("", "..", "x:y"):
        with pytest.raises(ValueError, match="revision"):
            load(revision=revision)
    with pytest.raises(FileNotFoundError):
        load("org/other")
    with pytest.raises(FileNotFoundError):
        load(revision="no-such-branch")
    with pytest.raises(TypeError, match="progress"):
        load(progress=3)
    assert not hub.asked("content")


def test_an_exception_in_the_progress_ends_the_download(hub: hub_server.Hub) -> None:
    def refuse(*_: object) -> None:
        raise LookupError("enough")

    hub.mishaps.append(hub_server.slow(5))
    start = time.monotonic()
    with pytest.raises(LookupError, match="enough"):
        load(progress=refuse)
    assert time.monotonic() - start < 3
    assert load().vocabulary == 4096


def test_an_interrupt_ends_the_download(hub: hub_server.Hub) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    hub.mishaps.append(hub_server.slow(10))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            load()
        assert time.monotonic() - start < 3
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_other_content_is_refused(hub: hub_server.Hub) -> None:
    hub.mishaps += [hub_server.wrong, hub_server.wrong]  # it is tried twice
    with pytest.raises(rotor.VerificationError, match="stories.rotor"):
        load()


def test_an_adapter_by_its_name(hub: hub_server.Hub) -> None:
    model = load()
    config = {"peft_type": "LORA", "r": 1, "lora_alpha": 1}
    place = "base_model.model.model.layers.0.self_attn.q_proj"
    header = {
        f"{place}.lora_{side}.weight": {
            "dtype": "F32",
            "shape": shape,
            "data_offsets": [1536 * i, 1536 * (i + 1)],
        }
        for i, (side, shape) in enumerate({"A": [1, 384], "B": [384, 1]}.items())
    }
    text = json.dumps(header).encode()
    tensors = struct.pack("<Q", len(text)) + text + struct.pack("<768f", *[0.5] * 768)
    files = {
        "adapter_config.json": json.dumps(config).encode(),
        "adapter_model.safetensors": tensors,
    }
    hub.add("org/tales", {**files, "tokenizer.json": b"{}"})
    adapter = model.load_lora("org/tales")
    assert sorted(path.name for path in Path(adapter.path).iterdir()) == sorted(files)
    assert model.load_lora("org/tales", local_files_only=True).path == adapter.path
    assert (model.logits("Once", rows=1, lora=adapter) != model.logits("Once", rows=1)).any()
    with pytest.raises(FileNotFoundError):
        model.load_lora("org/tales", revision="none", local_files_only=True)
