# SPDX-License-Identifier: Apache-2.0
"""llama.cpp loads the GGUF files that Rotor writes, makes the same tokens and writes the same text.

Needs the package llama-cpp-python (0.3.36 or later) and is skipped without it. Not bit for bit: llama.cpp
rounds activations to 8 bits with one scale for each 256 columns (TQ1_0, TQ2_0) or 32 (Q2_0), Rotor with
one for a whole vector, as the models were trained; and sums come in another order, so that values next to
a rounding boundary fall to its other side. Measured over 14 models of this kind against the
formula in NumPy: at most 1.3e-4 nats a token, and another token only once, where the best led by 0.2 % of
the logits' spread.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import checks
import convert_matrix_test
import golden
import hf_writer
import tiny_models
from engine import ROOT, Engine
from tiny_models import RECIPES, Recipe

llama_cpp = pytest.importorskip(
    "llama_cpp", reason="SKIPPED: llama-cpp-python is not installed; nothing was compared with it"
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


def open_llama(file: Path, beta_fast: float = 32.0) -> llama_cpp.Llama:
    """beta_fast: of YaRN, which llama.cpp does not take from the file of every architecture."""
    return llama_cpp.Llama(
        model_path=str(file),
        n_ctx=512,
        n_threads=2,
        logits_all=True,
        verbose=False,
        seed=1,
        yarn_beta_fast=beta_fast,
    )


def llama_logits(llama: llama_cpp.Llama, tokens: list[int]) -> np.ndarray:
    """float32 (tokens, vocab)."""
    llama.reset()
    llama.eval(tokens)
    return np.array(llama.scores[: len(tokens)], dtype=np.float32)


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


def assert_same_text(engine: Engine, model: Path, llama: llama_cpp.Llama, start: list[int]) -> None:
    """Along Rotor's greedy text llama.cpp would go on with the same tokens wherever the lead is clear."""
    tokens = greedy(engine, model, start)[:-1]
    expected = engine.logits(model, tokens, kv="f16")
    got = llama_logits(llama, tokens)
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
def test_a_fixture_writes_the_same_text(ffn: int, kind: str, engine: Engine, tmp_path: Path) -> None:
    model = write_model(tmp_path / "hf", replace(RECIPE, ffn=ffn))
    llama = open_llama(convert(engine, model, tmp_path, kind))
    assert_same_text(engine, model, llama, tokens_of(engine, model, TEXTS[0]))


@pytest.mark.parametrize("family", ["llama3", "falcon3", "llama-linear", "qwen3", "1bitllm"])
def test_other_families_write_the_same_text(family: str, engine: Engine, tmp_path: Path) -> None:
    """Rows of pairs, norms of heads, rotary scaling, heads wider than their share, a head of its own.

    Q2_0's rounding by 32 columns differs more where no norm stands before the output and down projections: at
    most 1e-4 nats, but other tokens up to a lead of 1.5 % of the spread, so its text is not compared.
    """
    model = convert_matrix_test.write_family(tmp_path / "hf", family)
    start = tokens_of(engine, model, TEXTS[0])
    tokens = greedy(engine, model, start)[:-1]
    expected = engine.logits(model, tokens, kv="f16")
    beta_fast = convert_matrix_test.FAMILIES[family].rope.get("beta_fast", 32.0)
    for kind in ("tq1_0", "tq2_0", "q2_0"):
        llama = open_llama(convert(engine, model, tmp_path, kind), beta_fast)
        assert llama.tokenize(TEXTS[0].encode(), add_bos=True, special=False) == start
        got = llama_logits(llama, tokens)
        assert checks.kl_per_token(expected, got) < MAX_KL, kind
        if kind != "q2_0":
            assert_same_choices(expected, got)


def test_sentencepiece_makes_the_same_tokens(engine: Engine, tmp_path: Path) -> None:
    model = convert_matrix_test.write_family(tmp_path / "hf", "1bitllm")
    llama = open_llama(convert(engine, model, tmp_path, "q2_0"))
    for text in [*TEXTS, "", " ", " a", "a ", "the dog<s>hello</s>", "\n\n\u2581x"]:
        expected = tokens_of(engine, model, text)
        assert llama.tokenize(text.encode(), add_bos=True, special=False) == expected, repr(text)


def test_scales_beside_the_blocks_are_multiplied_by(engine: Engine, tmp_path: Path) -> None:
    """Scales that binary16 lacks: the blocks have 1, `.scale` the rest."""
    recipe = replace(RECIPE, dtype="F32", name="llama-scales")
    weights = tiny_models.make_weights(recipe)
    weights.scales = {name: np.float32(s * 1.001) for name, s in weights.scales.items()}
    model = hf_writer.write_model(tmp_path / "hf", recipe, weights)
    llama = open_llama(convert(engine, model, tmp_path, "tq2_0"))
    assert_same_text(engine, model, llama, tokens_of(engine, model, TEXTS[1]))


def test_squared_relu(engine: Engine, tmp_path: Path) -> None:
    """The activation of BitNet b1.58 2B-4T, which llama.cpp takes from bitnet.hidden_activation."""
    weights = tiny_models.make_weights(RECIPE)
    logits = {}
    for act in ("relu2", "silu"):
        folder = tmp_path / act
        folder.mkdir()
        model = hf_writer.write_model(folder / "hf", replace(RECIPE, hidden_act=act), weights)
        llama = open_llama(convert(engine, model, folder, "tq1_0"))
        logits[act] = llama_logits(llama, tokens_of(engine, model, TEXTS[0]))
        if act == "relu2":
            relu2 = (model, llama)
    if np.array_equal(logits["relu2"], logits["silu"]):
        pytest.skip(f"SKIPPED: llama-cpp-python {llama_cpp.__version__} ignores the activation's key")
    assert_same_text(engine, relu2[0], relu2[1], tokens_of(engine, relu2[0], TEXTS[0]))


@pytest.mark.parametrize("text", TEXTS)
def test_the_same_tokens(text: str, engine: Engine, tmp_path: Path) -> None:
    llama = open_llama(convert(engine, SHIPPED, tmp_path, "q2_0"))
    expected = tokens_of(engine, SHIPPED, text)
    assert llama.tokenize(text.encode(), add_bos=True, special=False) == expected
