# SPDX-License-Identifier: Apache-2.0
"""rotor embed: the vectors are what the head multiplies, in every form of output."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import hf_writer
import tiny_models
from engine import Engine
from golden import spread
from tiny_models import RECIPES, Recipe

ModelDir = Callable[[Recipe], Path]
RECIPE = RECIPES["qwen3-embedding"]
TEXTS = ["The miller's sons", "a", "Zw\u00f6lf \u00c4pfel, 42 S\u00e4cke", "The miller's son " * 30]


def vectors(engine: Engine, model: Path, out: Path, *options: object) -> np.ndarray:
    """float32 (texts, hidden) of TEXTS."""
    given = [option for text in TEXTS for option in ("-p", text)]
    engine.check("embed", model, *given, "--kv", "f32", "--out", out, *options)
    return np.load(out)


def test_the_head_makes_the_logits_of_the_vectors(
    engine: Engine, model_dir: ModelDir, tmp_path: Path
) -> None:
    folder = model_dir(RECIPE)
    found = vectors(engine, folder, tmp_path / "v.npy", "--no-normalize")
    assert found.dtype == np.float32 and found.shape == (len(TEXTS), RECIPE.hidden)
    embedding = tiny_models.make_weights(RECIPE).embedding.astype(np.float64)
    for text, vector in zip(TEXTS, found, strict=True):
        tokens = json.loads(engine.check("tokenize", folder, "--json", stdin=text.encode()).stdout)
        logits = engine.logits(folder, tokens)[-1]
        assert np.abs(embedding @ vector - logits).max() < 1e-6 * spread(logits)


def test_length_one_and_every_way_to_ask(
    engine: Engine, model_dir: ModelDir, tmp_path: Path
) -> None:
    folder = model_dir(RECIPE)
    plain = vectors(engine, folder, tmp_path / "p.npy", "--no-normalize").astype(np.float64)
    found = vectors(engine, folder, tmp_path / "v.npy", "-b", 3, "-t", 2)
    expected = plain / np.linalg.norm(plain, axis=1, keepdims=True)
    np.testing.assert_array_equal(found, expected.astype(np.float32))
    lines = "\n".join(TEXTS).encode()
    as_json = engine.check("embed", folder, "--kv", "f32", "--json", stdin=lines).stdout
    np.testing.assert_array_equal(np.array(json.loads(as_json), dtype=np.float32), found)
    quoted = "\n".join(json.dumps(text) for text in TEXTS).encode()
    text = engine.check("embed", folder, "--kv", "f32", "--jsonl", stdin=quoted).stdout
    np.testing.assert_array_equal(np.loadtxt(text.splitlines(), dtype=np.float32), found)


def test_a_rotor_file_gives_the_same_vectors(
    engine: Engine, model_dir: ModelDir, tmp_path: Path
) -> None:
    folder = model_dir(RECIPE)
    engine.check("convert", folder, tmp_path / "m.rotor")
    np.testing.assert_array_equal(
        vectors(engine, tmp_path / "m.rotor", tmp_path / "a.npy"),
        vectors(engine, folder, tmp_path / "b.npy"),
    )


@pytest.mark.parametrize(
    "pooling, status, said",
    [
        ({"pooling_mode_lasttoken": True}, 0, ""),
        ({"pooling_mode_mean_tokens": True}, 3, "pooling of the mean of the tokens"),
        ({"pooling_mode_max_tokens": True}, 3, "1_Pooling/config.json"),
        (None, 0, "states no pooling"),
    ],
)
def test_pooling_is_what_the_folder_says(
    pooling: dict[str, bool] | None, status: int, said: str, engine: Engine, tmp_path: Path
) -> None:
    folder = hf_writer.write_model(tmp_path / "m", RECIPE, tiny_models.make_weights(RECIPE))
    if pooling is not None:
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    outcome = engine.run("embed", folder, "-p", "a")
    assert outcome.status == status, outcome.text
    assert said in outcome.stderr
    assert ("pooling" in outcome.stderr) == (said != "")


def test_refusals(engine: Engine, model_dir: ModelDir) -> None:
    folder = model_dir(RECIPE)
    assert engine.run("embed", folder).status == 2
    assert engine.run("embed", folder, "--jsonl", stdin=b"not json\n").status in (2, 3)
    too_long = engine.run("embed", folder, "-c", 16, "-p", "a b c d " * 20)
    assert too_long.status == 2 and "does not fit into the context of 16" in too_long.stderr
