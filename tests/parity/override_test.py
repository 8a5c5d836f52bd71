# SPDX-License-Identifier: Apache-2.0
"""`--override-kv`: a GGUF file with other metadata than it holds is the file that holds it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gguf_writer
import tiny_models
from engine import Engine
from tiny_models import RECIPES, Recipe

RECIPE = RECIPES["packed-multiply"]
ARCH = "bitnet-b1.58"
TOKENS = [1, 2, 3, 4, 5, 6]


def write(file: Path, recipe: Recipe = RECIPE, **metadata: tuple[str, object]) -> Path:
    """A GGUF file of RECIPE's weights; keys of metadata have __ for a dot."""
    gguf = gguf_writer.build(recipe, tiny_models.make_weights(RECIPE), gguf_writer.Form())
    gguf.metadata |= {key.replace("__", "."): value for key, value in metadata.items()}
    file.write_bytes(gguf.encode())
    return file


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("override") / "plain.gguf")


def override(*texts: str) -> list[str]:
    return [word for text in texts for word in ("--override-kv", text)]


def test_what_is_computed_is_what_the_other_file_computes(
    engine: Engine, plain: Path, tmp_path: Path
) -> None:
    other = write(tmp_path / "other.gguf", replace(RECIPE, theta=777.0))
    options = override(f"{ARCH}.rope.freq_base=float:777")
    expected = engine.logits(other, TOKENS)
    assert (engine.logits(plain, TOKENS) != expected).any()
    np.testing.assert_array_equal(engine.logits(plain, TOKENS, *options), expected)
    rotor = tmp_path / "model.rotor"
    engine.check("convert", plain, rotor, *options)
    np.testing.assert_array_equal(engine.logits(rotor, TOKENS), expected)
    for command in (("verify",), ("run", "-p", "a", "-n", 1), ("chat",),
                    ("bench", "-p", 4, "-n", 0, "-r", 1)):
        engine.check(*command, plain, *options)


def test_the_last_of_one_key_holds_and_inspect_shows_them(engine: Engine, plain: Path) -> None:
    options = override(f"{ARCH}.rope.freq_base=float:1", f"{ARCH}.rope.freq_base=int:9000",
                       "general.name=str:a = b: c, d")
    report = json.loads(engine.check("inspect", "--json", plain, *options).stdout)
    assert (report["rope_theta"], report["name"]) == (9000, "a = b: c, d")
    assert f'overridden: "{ARCH}.rope.freq_base" is 9000 in place of the file\'s 500000' in (
        report["notes"]
    )
    assert "overridden" in engine.check("inspect", plain, *options).stdout
    assert json.loads(engine.check("inspect", "--json", plain).stdout)["notes"] != report["notes"]


def test_keys_of_the_tokenizer(engine: Engine, plain: Path) -> None:
    with_bos = json.loads(engine.check("tokenize", "--json", plain, stdin=b"a").stdout)
    options = override("tokenizer.ggml.add_bos_token=bool:false")
    without = json.loads(engine.check("tokenize", "--json", plain, *options, stdin=b"a").stdout)
    assert with_bos[1:] == without
    options = override("tokenizer.chat_template=str:{{ messages[0].content }}!")
    context = b'{"messages": [{"role": "user", "content": "Hi"}]}'
    printed = engine.check("template", plain, *options, "--context", "-", stdin=context).stdout
    assert printed == "Hi!"
    options = override("tokenizer.ggml.eot_token_id=int:7")
    assert 7 in json.loads(engine.check("inspect", "--json", plain, *options).stdout)[
        "end_of_generation"
    ]


@pytest.mark.parametrize("text", ["a", "a=int", "a=int:x", "a=u32:1", "a=bool:yes", "a=float:nan"])
def test_what_is_no_override(engine: Engine, plain: Path, text: str) -> None:
    for command in (("inspect",), ("tokenize",), ("run", "-p", "a")):
        outcome = engine.run(*command, plain, *override(text))
        assert outcome.status == 2 and text in outcome.stderr, outcome


def test_values_are_checked_as_the_files_are(engine: Engine, plain: Path) -> None:
    for text, said in (
        (f"{ARCH}.block_count=int:0", "block_count"),
        (f"{ARCH}.block_count=int:3", "blk.2"),
        (f"{ARCH}.block_count=str:2", "expected an integer"),
        (f"{ARCH}.rope.scaling.type=str:yarn", "rope.scaling.factor"),
        (f"{ARCH}.rope.scaling.type=str:dynamic", "dynamic"),
        ("tokenizer.ggml.tokens=str:a", "expected an array"),
        ("tokenizer.ggml.bos_token_id=int:100000", "100000"),
    ):
        outcome = engine.run("inspect", plain, *override(text))
        assert outcome.status == 3 and said in outcome.stderr, outcome


def test_a_key_that_nothing_reads_is_a_warning(engine: Engine, plain: Path, tmp_path: Path) -> None:
    options = override("llama.rope.freq_base=float:777", "general.name=str:x")
    report = json.loads(engine.check("inspect", "--json", plain, *options).stdout)
    assert [w for w in report["warnings"] if "nothing reads" in w] == [
        "nothing reads the overridden key 'llama.rope.freq_base'"
    ]
    outcome = engine.check("logits", plain, *options, "--tokens", 1, "--out", tmp_path / "l.npy")
    assert "warning: nothing reads the overridden key" in outcome.stderr


def test_other_containers_are_refused(
    engine: Engine, plain: Path, model_dir: Callable[[Recipe], Path], tmp_path: Path
) -> None:
    rotor = tmp_path / "model.rotor"
    engine.check("convert", plain, rotor)
    options = override("general.name=str:x")
    for model in (rotor, model_dir(RECIPE), "synthetic:tiny"):
        outcome = engine.run("inspect", model, *options)
        assert outcome.status == 2, outcome
        assert "only the metadata of a GGUF file" in outcome.stderr
    assert engine.run("tokenize", rotor, *options).status == 2
