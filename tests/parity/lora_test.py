# SPDX-License-Identifier: Apache-2.0
"""--lora: one set of bits over containers and ways to compute, and what is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gguf_writer
import safetensors_io
import tiny_models
from engine import Engine, isa_levels
from hub_server import Hub
from tiny_models import RECIPES, Recipe

# Its GGUF files have the rows of q and k in another order. Its scaling of rotary frequencies they
# keep in another form, which rounds them.
RECIPE = replace(RECIPES["llama-divide"], name="llama-lora", rope={})
TOKENS = list(range(1, 40))
RANK = 4


@pytest.fixture(scope="module")
def directory(model_dir: Callable[[Recipe], Path]) -> Path:
    return model_dir(RECIPE)


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of every projection."""
    random = np.random.RandomState(3)
    tensors = {}
    for layer in range(RECIPE.layers):
        for projection in tiny_models.PROJECTIONS:
            rows, columns = RECIPE.shape(projection)
            name = f"base_model.model.model.layers.{layer}.{projection}"
            a = random.standard_normal((RANK, columns)) / columns**0.5
            b = random.standard_normal((rows, RANK)) / RANK**0.5
            tensors[f"{name}.lora_A.weight"] = safetensors_io.Tensor.of(a, "F32")
            tensors[f"{name}.lora_B.weight"] = safetensors_io.Tensor.of(b, "F32")
    folder = tmp_path_factory.mktemp("lora") / "a:dapter"  # a colon that begins no scale
    folder.mkdir()
    safetensors_io.write(folder / "adapter_model.safetensors", tensors)
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": RANK, "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def test_one_set_of_bits(engine: Engine, directory: Path, adapter: Path, tmp_path: Path) -> None:
    expected = engine.logits(directory, TOKENS, "--lora", adapter, isa="scalar")
    assert np.abs(expected - engine.logits(directory, TOKENS)).max() > 1
    gguf = tmp_path / "model.gguf"
    weights = tiny_models.make_weights(RECIPE)
    gguf.write_bytes(gguf_writer.build(RECIPE, weights, gguf_writer.Form()).encode())
    rotor = tmp_path / "model.rotor"
    engine.check("convert", directory, rotor)
    for model in (directory, gguf, rotor):
        for options in (("-t", 1), ("-t", 3, "-b", 7)):
            got = engine.logits(model, TOKENS, "--lora", f"{adapter}:1", *options)
            np.testing.assert_array_equal(got, expected, err_msg=f"{model.name} {options}")
    for isa in isa_levels():
        got = engine.logits(directory, TOKENS, "--lora", adapter, isa=isa)
        np.testing.assert_array_equal(got, expected, err_msg=isa)
    halves = ["--lora", f"{adapter}:0.5", "--lora", f"{adapter}:0.5"]
    twice = engine.logits(directory, TOKENS, *halves)
    np.testing.assert_allclose(twice, expected, rtol=0, atol=0.05 * np.ptp(expected))
    none = engine.logits(directory, TOKENS, "--lora", f"{adapter}:0")
    np.testing.assert_array_equal(none, engine.logits(directory, TOKENS))


def test_text_is_that_of_the_logits(engine: Engine, directory: Path, adapter: Path) -> None:
    options = ["-p", "abcabcabcabc", "-n", 24, "--temp", 0, "--ignore-eos", "--json"]
    text = {}
    for extra in ((), ("--lora", adapter), ("--lora", adapter, "--no-speculate", "-t", 2)):
        out = json.loads(engine.check("run", directory, *options, *extra).stdout)
        text[extra] = out["answers"][0]["tokens"]
    plain, adapted, other = text.values()
    assert plain != adapted == other
    prompt = json.loads(engine.check("tokenize", directory, "--json", stdin=b"abcabcabcabc").stdout)
    rows = engine.logits(directory, prompt + adapted, "--lora", adapter, kv="f16")
    assert rows[len(prompt) - 1 : -1].argmax(axis=1).tolist() == adapted


def test_what_is_refused(engine: Engine, directory: Path, adapter: Path, tmp_path: Path) -> None:
    def refused(status: int, message: str, *options: object, model: Path = directory) -> None:
        outcome = engine.run("run", model, "-p", "a", "-n", 1, *options)
        assert (outcome.status, message in outcome.stderr) == (status, True), outcome

    refused(3, "expected a folder with adapter_config.json", "--lora", tmp_path)
    refused(2, "no such folder", "--lora", f"{adapter}:much")
    refused(2, "no such folder", "--lora", f"{adapter}:nan")
    other = tmp_path / "other"
    other.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (other / name).write_bytes((adapter / name).read_bytes())
    config = json.loads((other / "adapter_config.json").read_text())
    (other / "adapter_config.json").write_text(json.dumps(config | {"use_dora": True}))
    refused(3, "use_dora", "--lora", other)
    (other / "adapter_config.json").write_text(json.dumps(config | {"r": 3}))
    refused(3, "says rank 3, the tensors have 4", "--lora", other)


def test_of_the_hub(
    engine: Engine,
    directory: Path,
    adapter: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files = {path.name: path.read_bytes() for path in adapter.iterdir()}
    with Hub() as hub:
        hub.add("org/tales", {"README.md": b"# tales", **files})
        hub.add("org/runs", {f"checkpoint-9/{name}": data for name, data in files.items()})
        for key in list(os.environ):
            if key.startswith("HF_") or key.lower().endswith("_proxy"):
                monkeypatch.delenv(key)
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
        expected = engine.logits(directory, TOKENS, "--lora", f"{adapter}:0.5")
        for name in ("org/tales:0.5", "org/runs:checkpoint-9:0.5", "org/tales:0.5"):
            got = engine.logits(directory, TOKENS, "--lora", name)
            np.testing.assert_array_equal(got, expected, err_msg=name)
        wanted = [request.path for request in hub.requests if "README" in request.path]
        assert wanted == [], "only the adapter's two files are asked for"
        outcome = engine.run("run", directory, "-p", "a", "-n", 1, "--lora", "org/none:0.5")
        assert outcome.status != 0 and "org/none" in outcome.stderr, outcome
