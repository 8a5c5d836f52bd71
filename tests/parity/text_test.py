# SPDX-License-Identifier: Apache-2.0
"""The tiny tokenizer of the fixtures: ids as the tokenizers package has them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import gguf_writer
import hf_writer
import tiny_models
from engine import Engine
from tiny_models import RECIPES, Recipe

CASES = json.loads((hf_writer.FIXTURES / "tokenizer" / "cases.json").read_text())
RECIPE = RECIPES["packed-multiply"]


@pytest.fixture(scope="module", params=["tokenizer.json", "directory", "gguf", "rotor"])
def model(
    request: pytest.FixtureRequest,
    engine: Engine,
    model_dir: Callable[[Recipe], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    folder = model_dir(RECIPE)
    if request.param == "tokenizer.json":
        return folder / "tokenizer.json"
    if request.param == "directory":
        return folder
    file = tmp_path_factory.mktemp("text") / f"model.{request.param}"
    if request.param == "rotor":
        engine.check("convert", folder, file)
    else:
        weights = tiny_models.make_weights(RECIPE)
        file.write_bytes(gguf_writer.build(RECIPE, weights, gguf_writer.Form()).encode())
    return file


def tokenize(engine: Engine, model: Path, *options: str) -> list[list[int]]:
    lines = "".join(json.dumps(case["text"]) + "\n" for case in CASES).encode()
    out = engine.check("tokenize", model, "--jsonl", *options, stdin=lines).stdout
    return [json.loads(line) for line in out.splitlines()]


def test_ids(engine: Engine, model: Path) -> None:
    assert tokenize(engine, model, "--no-bos") == [case["ids"] for case in CASES]


def test_bos(engine: Engine, model: Path) -> None:
    bos = hf_writer.token_ids()[hf_writer.BOS]
    assert tokenize(engine, model) == [[bos, *case["ids"]] for case in CASES]


def test_special_tokens_only_on_request(engine: Engine, model: Path) -> None:
    got = tokenize(engine, model, "--no-bos", "--special")
    assert got == [case["special_ids"] for case in CASES]
