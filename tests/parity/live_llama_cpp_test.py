# SPDX-License-Identifier: Apache-2.0
"""llama.cpp loads the GGUF files that Rotor writes, makes the same tokens and writes the same text.

Needs the package xllamacpp, which is llama.cpp, and is skipped without it. Not bit for bit: llama.cpp
rounds activations to 8 bits with one scale for each 256 columns (TQ1_0, TQ2_0) or 32 (Q2_0), Rotor with
one for a whole vector, as the models were trained; and sums come in another order, so that values next to
a rounding boundary fall to its other side. Measured over 14 models of this kind against the formula in
NumPy: at most 1.3e-4 nats a token, and another token only once, where the best led by 0.2 % of the
logits' spread.
"""

from __future__ import annotations

import ctypes
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import checks
import convert_matrix_test
import golden
import gguf_writer
import hf_writer
import llama_library
import maple_models
import tiny_models
from engine import ROOT, Engine
from gguf_writer import Form
from llama_library import Llama
from tiny_models import RECIPES, Recipe

LIBRARY = llama_library.find_library()
if LIBRARY is None:
    pytest.skip(
        "SKIPPED: xllamacpp is not installed; nothing was compared with llama.cpp",
        allow_module_level=True,
    )

MAX_KL = 3e-4  # nats a token
CLEAR = 0.01  # of the logits' spread: a lead that rounding does not turn
GREEDY = 24
RECIPE = replace(RECIPES["wide-256"], name="llama", hidden_act="silu", ffn=512)
SHIPPED = ROOT / "models" / "stories.rotor"
TEXTS = [
    "Once upon a time, there was a little dog.",
    "  two  spaces\n\nand 1234 \t tabs",
    "\u00e9t\u00e9 \u4f60\u597d \U0001f600",
    "it's <|eot_id|> as text",
]


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    return llama_library.load_library(LIBRARY)


def convert(engine: Engine, model: Path, folder: Path, kind: str) -> Path:
    file = folder / f"{kind}.gguf"
    engine.check("convert", model, file, "--type", kind)
    return file


def write_model(folder: Path, recipe: Recipe) -> Path:
    return hf_writer.write_model(folder, recipe, tiny_models.make_weights(recipe))


def tokens_of(engine: Engine, model: Path, text: str) -> list[int]:
    return json.loads(engine.check("tokenize", model, "--json", stdin=text.encode()).stdout)


def greedy(engine: Engine, model: Path, tokens: list[int]) -> list[int]:
    """`tokens` and GREEDY more, each the likeliest."""
    tokens = list(tokens)
    for _ in range(GREEDY):
        tokens.append(int(engine.logits(model, tokens, kv="f16")[-1].argmax()))
    return tokens


def assert_same_text(engine: Engine, model: Path, llama: Llama, start: list[int]) -> None:
    """Along Rotor's greedy text llama.cpp would go on with the same tokens wherever the lead is clear."""
    tokens = greedy(engine, model, start)[:-1]
    expected = engine.logits(model, tokens, kv="f16")
    got = llama.logits(tokens)
    assert checks.kl_per_token(expected, got) < MAX_KL
    assert_same_choices(expected, got)


def assert_same_choices(expected: np.ndarray, got: np.ndarray) -> None:
    best = np.sort(expected, axis=1)
    clear = best[:, -1] - best[:, -2] > CLEAR * golden.spread(expected)
    assert clear.mean() > 0.7, "too few choices are clear"
    same = got.argmax(axis=1) == expected.argmax(axis=1)
    assert same[clear].all() and same.mean() > 0.9


@pytest.mark.parametrize("kind", ["tq1_0", "tq2_0", "q2_0"])
@pytest.mark.parametrize("ffn", [256, 512])
def test_a_fixture_writes_the_same_text(
    ffn: int, kind: str, engine: Engine, library: ctypes.CDLL, tmp_path: Path
) -> None:
    model = write_model(tmp_path / "hf", replace(RECIPE, ffn=ffn))
    llama = Llama(library, convert(engine, model, tmp_path, kind))
    assert_same_text(engine, model, llama, tokens_of(engine, model, TEXTS[0]))


@pytest.mark.parametrize("family", ["llama3", "falcon3", "llama-linear", "mistral", "qwen3", "1bitllm"])
def test_other_families_write_the_same_text(
    family: str, engine: Engine, library: ctypes.CDLL, tmp_path: Path
) -> None:
    """Rows of pairs, norms of heads, rotary scaling, heads wider than their share, a head of its own.

    Q2_0's rounding by 32 columns differs more where no norm stands before the output and down projections: at
    most 1e-4 nats, but other tokens up to a lead of 1.5 % of the spread, so its text is not compared.
    """
    rope = dict(convert_matrix_test.FAMILIES[family].rope)
    rope.pop("beta_fast", None)  # 32, which llama.cpp takes for every file of this architecture
    model = convert_matrix_test.write_family(tmp_path / "hf", family, rope=rope)
    start = tokens_of(engine, model, TEXTS[0])
    tokens = greedy(engine, model, start)[:-1]
    expected = engine.logits(model, tokens, kv="f16")
    for kind in ("tq1_0", "tq2_0", "q2_0"):
        llama = Llama(library, convert(engine, model, tmp_path, kind))
        assert llama.tokenize(TEXTS[0].encode()) == start
        got = llama.logits(tokens)
        assert checks.kl_per_token(expected, got) < MAX_KL, kind
        if kind != "q2_0":
            assert_same_choices(expected, got)


def test_sentencepiece_makes_the_same_tokens(
    engine: Engine, library: ctypes.CDLL, tmp_path: Path
) -> None:
    model = convert_matrix_test.write_family(tmp_path / "hf", "1bitllm")
    llama = Llama(library, convert(engine, model, tmp_path, "q2_0"))
    for text in [*TEXTS, "", " ", " a", "a ", "the dog<s>hello</s>", "\n\n\u2581x"]:
        expected = tokens_of(engine, model, text)
        assert llama.tokenize(text.encode()) == expected, repr(text)


def test_scales_beside_the_blocks_are_multiplied_by(
    engine: Engine, library: ctypes.CDLL, tmp_path: Path
) -> None:
    """Scales that binary16 lacks: the blocks have 1, `.scale` the rest."""
    recipe = replace(RECIPE, dtype="F32", name="llama-scales")
    weights = tiny_models.make_weights(recipe)
    weights.scales = {name: np.float32(s * 1.001) for name, s in weights.scales.items()}
    model = hf_writer.write_model(tmp_path / "hf", recipe, weights)
    llama = Llama(library, convert(engine, model, tmp_path, "tq2_0"))
    assert_same_text(engine, model, llama, tokens_of(engine, model, TEXTS[1]))


def test_squared_relu(engine: Engine, library: ctypes.CDLL, tmp_path: Path) -> None:
    """The activation of BitNet b1.58 2B-4T, which llama.cpp takes from bitnet.hidden_activation."""
    weights = tiny_models.make_weights(RECIPE)
    logits = {}
    for act in ("relu2", "silu"):
        folder = tmp_path / act
        folder.mkdir()
        model = hf_writer.write_model(folder / "hf", replace(RECIPE, hidden_act=act), weights)
        llama = Llama(library, convert(engine, model, folder, "tq1_0"))
        logits[act] = llama.logits(tokens_of(engine, model, TEXTS[0]))
        if act == "relu2":
            relu2 = (model, llama)
    if np.array_equal(logits["relu2"], logits["silu"]):
        pytest.skip("SKIPPED: this llama.cpp ignores the activation's key")
    assert_same_text(engine, relu2[0], relu2[1], tokens_of(engine, relu2[0], TEXTS[0]))


@pytest.mark.parametrize("text", TEXTS)
def test_the_same_tokens(text: str, engine: Engine, library: ctypes.CDLL, tmp_path: Path) -> None:
    llama = Llama(library, convert(engine, SHIPPED, tmp_path, "q2_0"))
    expected = tokens_of(engine, SHIPPED, text)
    assert llama.tokenize(text.encode()) == expected


def test_maple_is_computed_as_llama_cpp_computes_it(
    engine: Engine, library: ctypes.CDLL, tmp_path: Path
) -> None:
    """Experts, windows, a part of each head turned: in floats, where nothing is rounded but keys and values
    to binary16, over many times the window. Measured: 0.1 % of the logits' spread at most."""
    model = maple_models.make(maple_models.Shape())
    file = maple_models.write_gguf(tmp_path / "m.gguf", model)
    tokens = np.random.RandomState(6).randint(0, 290, size=60).tolist()
    expected = engine.logits(file, tokens, kv="f16")
    got = Llama(library, file).logits(tokens)
    assert np.abs(got - expected).max() < 1e-2 * golden.spread(expected)
    assert checks.kl_per_token(expected, got) < MAX_KL
    assert_same_choices(expected, got)


@pytest.mark.parametrize("kind", ["tq1_0", "tq2_0", "q2_0"])
def test_maple_is_written_for_llama_cpp(
    kind: str, engine: Engine, library: ctypes.CDLL, tmp_path: Path
) -> None:
    """Two layers: a rounding that turns the choice of an expert changes everything behind it."""
    model = maple_models.make(replace(maple_models.WIDE, layers=2, every=2))
    source = maple_models.write_gguf(tmp_path / "s.gguf", model, "TQ2_0")
    llama = Llama(library, convert(engine, source, tmp_path, kind))
    start = tokens_of(engine, source, TEXTS[0])
    assert llama.tokenize(TEXTS[0].encode()) == start
    tokens = greedy(engine, source, start)[:-1]
    expected = engine.logits(source, tokens, kv="f16")
    assert checks.kl_per_token(expected, llama.logits(tokens)) < MAX_KL


def test_minicpm_is_read_as_llama_cpp_reads_it(
    engine: Engine, library: ctypes.CDLL, tmp_path: Path
) -> None:
    """Its multipliers, longrope and paired rows, in floats: nothing is rounded that could part."""
    recipe = replace(RECIPES["minicpm-groups"], dtype="F32")
    file = tmp_path / "m.gguf"
    weights = tiny_models.make_weights(recipe)
    file.write_bytes(gguf_writer.build(recipe, weights, Form(embedding="F32")).encode())
    tokens = tokens_of(engine, file, TEXTS[0] * 4)
    expected = engine.logits(file, tokens)
    got = Llama(library, file).logits(tokens)
    assert np.abs(got - expected).max() < 2e-3 * golden.spread(expected)
    assert_same_choices(expected, got)
