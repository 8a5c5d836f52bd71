# SPDX-License-Identifier: Apache-2.0
"""Numbers that have led other programs astray: overflow before a norm, gains that half precision
loses, rows of zeros, scales at the ends of the range, stored infinities. docs/numerics.md says what
each gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import checks
import gguf_writer
import hf_writer
import numpy_bitnet
import tiny_models
from engine import Engine
from tiny_models import Recipe, Weights

TOKENS = [1, 2, 3, 4, 2, 300]
ZERO_TOKEN = 2
FLOOR_SCALE = np.float32(127) / np.float32(1e-5)
Change = Callable[[Weights], None]


def write(folder: Path, change: Change, **form: object) -> Path:
    """A tiny model whose seeded weights were changed; binary32 unless form says otherwise."""
    recipe = Recipe("traps", **{"dtype": "F32", **form})
    weights = tiny_models.make_weights(recipe)
    change(weights)
    return hf_writer.write_model(folder, recipe, weights)


def scales(part: str, value: float) -> Change:
    """Sets the weight scales of the projections whose name holds part."""

    def change(weights: Weights) -> None:
        for name in weights.scales:
            if part in name:
                weights.scales[name] = np.float32(value)

    return change


def gains(part: str, rule: Callable[[np.ndarray], np.ndarray]) -> Change:
    """Changes the gains of the norms whose name holds part."""

    def change(weights: Weights) -> None:
        for name, values in weights.norms.items():
            if part in name:
                weights.norms[name] = rule(values).astype(np.float32)

    return change


def embedding(token: int, value: float, column: slice = slice(None)) -> Change:
    def change(weights: Weights) -> None:
        weights.embedding[token, column] = value

    return change


def assert_agrees(engine: Engine, folder: Path) -> numpy_bitnet.Trace:
    """Sums, codes and logits are the oracle's; returns the program's own trace."""
    model = numpy_bitnet.load_hf(folder)
    expected: numpy_bitnet.Trace = {}
    own: numpy_bitnet.Trace = {}
    with np.errstate(over="ignore"):  # exp(-x) of the oracle's silu
        logits = numpy_bitnet.forward(model, TOKENS, trace=expected)
    assert np.isfinite(logits).all()
    got: numpy_bitnet.Trace = {}
    injected = engine.logits(folder, TOKENS, inject=expected, trace=got)
    checks.assert_same_sums(got, expected)
    if np.ptp(logits) > 0:
        checks.assert_injected_logits(injected, logits)
    engine.logits(folder, TOKENS, trace=own)
    first = checks.execution_order(expected)[0]  # later codes may follow from one rounding
    apart = own[f"{first}.q"].astype(int) - expected[f"{first}.q"]
    assert np.abs(apart).max() <= 1 and (apart != 0).mean() < 0.01
    return own


AGREE = {
    # silu(-x) = -0 where exp(x) is infinite
    "silu-far": (scales("gate_proj", 1e6), {"hidden_act": "silu"}),
    "silu-1e15": (scales("gate_proj", 1e15), {"hidden_act": "silu"}),
    # relu2(gate) * up of 1e17 and more: its squares are still below 3e38
    "relu2-1e5": (scales("gate_proj", 1e5), {}),
    "gains-negative": (gains("", lambda g: -np.abs(g)), {}),
    "gains-3e-8": (gains("sub_norm", lambda g: np.where(g < 0, -3e-8, 3e-8)), {}),
    "gains-3e-8-bf16": (gains("sub_norm", lambda g: g * 0 + 2.0**-25), {"dtype": "BF16"}),
    "gains-subnormal": (gains("sub_norm", lambda g: g * 0 + 1e-42), {}),
    "gains-zero": (gains("ffn_sub_norm", lambda g: g * 0), {}),
    "gains-mixed": (
        gains("sub_norm", lambda g: np.where(np.arange(g.size) % 7, g * 1e-32, 17)),
        {},
    ),
    "row-of-zeros": (embedding(ZERO_TOKEN, 0.0), {}),
    "row-of-1e-30": (embedding(ZERO_TOKEN, 1e-30), {}),
    "scale-subnormal": (scales("q_proj", 1e-40), {}),
    "scale-1e-38": (scales("down_proj", 1e-38), {}),
    "divisor-3e38": (scales("q_proj", 3e38), {"linear_class": "bitlinear"}),
}


@pytest.mark.parametrize("name", AGREE)
def test_gives_what_the_reference_gives(name: str, engine: Engine, tmp_path: Path) -> None:
    change, form = AGREE[name]
    assert_agrees(engine, write(tmp_path / "model", change, **form))


def test_gains_that_half_precision_loses_still_count(engine: Engine, tmp_path: Path) -> None:
    change, _ = AGREE["gains-3e-8"]
    folder = write(tmp_path / "model", change)
    trace = assert_agrees(engine, folder)
    assert np.float16(2e-8) == 0, "binary16 has no such number"
    codes = trace["layer0.o.q"]
    assert np.abs(codes).max() == 1 and (codes != 0).mean() > 0.05
    np.testing.assert_array_equal(trace["layer0.o.scale"], FLOOR_SCALE)
    recipe = Recipe("traps", dtype="F32")
    weights = tiny_models.make_weights(recipe)
    change(weights)
    gguf = tmp_path / "model.gguf"
    gguf.write_bytes(gguf_writer.build(recipe, weights, gguf_writer.Form()).encode())
    rotor = tmp_path / "model.rotor"
    engine.check("convert", folder, rotor)
    expected = engine.logits(folder, TOKENS)
    np.testing.assert_array_equal(engine.logits(rotor, TOKENS), expected)
    from_gguf: numpy_bitnet.Trace = {}
    engine.logits(gguf, TOKENS, trace=from_gguf)
    assert (from_gguf["layer0.o.q"] != 0).mean() > 0.05


@pytest.mark.parametrize("largest", [0.5, 0.999, 1.0, 1.001, 2.0])
def test_the_floor_of_the_scale(largest: float, engine: Engine, tmp_path: Path) -> None:
    """The step of a row is 127 / max(largest value, 1e-5), on both sides of 1e-5."""
    folder = write(tmp_path / "model", gains("input_layernorm", lambda g: g * 0 + 1e-5))
    model = numpy_bitnet.load_hf(folder)
    normed = numpy_bitnet.rms_norm(
        model.embedding[TOKENS[:1]], model.layers[0].norms["attn"], model.eps
    )
    gain = 1e-5 * largest * 1e-5 / np.abs(normed).max()
    folder = write(tmp_path / "scaled", gains("input_layernorm", lambda g: g * 0 + gain))
    trace = assert_agrees(engine, folder)
    scale = trace["layer0.qkv.scale"][0]
    assert (scale == FLOOR_SCALE) if largest < 1 else (scale <= FLOOR_SCALE)
    assert scale == pytest.approx(FLOOR_SCALE / max(largest, 1), rel=1e-5)


def test_a_row_of_zeros_is_zeros(engine: Engine, tmp_path: Path) -> None:
    folder = write(tmp_path / "model", embedding(ZERO_TOKEN, 0.0))
    assert not engine.logits(folder, [ZERO_TOKEN, ZERO_TOKEN]).any()
    every = write(tmp_path / "every", embedding(slice(None), 0.0))
    assert not engine.logits(every, TOKENS).any()


# What would be NaN, or zeros where the answer is not zero, ends in an error that names the place.
OVERFLOWS = {
    # finite values whose squares are not: the reference turns the row into zeros
    "relu2-1e30": (scales("gate_proj", 1e12), {}, "layer 0, input of down"),
    "silu-1e30": (scales("gate_proj", 1e30), {"hidden_act": "silu"}, "layer 0, input of down"),
    "embedding-1e30": (embedding(ZERO_TOKEN, 1e30), {}, "position 1, layer 0, input of qkv"),
    # infinite values: NaN in the reference
    "relu2-infinite": (scales("gate_proj", 1e25), {}, "layer 0, input of down"),
    "scale-3e38": (scales("q_proj", 3e38), {}, "layer 0, input of o"),
    "divisor-1e-38": (
        scales("q_proj", 1e-38),
        {"linear_class": "bitlinear"},
        "layer 0, input of o",
    ),
}


@pytest.mark.parametrize("name", OVERFLOWS)
def test_overflow_is_an_error_that_names_the_place(
    name: str, engine: Engine, tmp_path: Path
) -> None:
    change, form, place = OVERFLOWS[name]
    folder = write(tmp_path / "model", change, **form)
    out = tmp_path / "logits.npy"
    outcome = engine.run("logits", "--tokens", "1,2,3", "--out", out, folder)
    assert outcome.status == 1, outcome
    assert "became infinite or NaN at" in outcome.stderr and place in outcome.stderr
    assert not out.exists()


# Stored numbers that mean nothing are refused by tensor and place before anything is computed.
REFUSED = {
    "gain-nan": (
        gains("layers.1.mlp.ffn_sub_norm", lambda g: g * np.nan),
        {},
        "layers.1.mlp.ffn_sub_norm.weight",
    ),
    "gain-infinite": (gains("model.norm", lambda g: g / 0.0), {}, "model.norm.weight"),
    **{
        f"{form}-{value}": (
            scales("layers.0.self_attn.q_proj", value),
            {"linear_class": form},
            "layers.0.self_attn.q_proj.weight_scale",
        )
        for form in ("autobitlinear", "bitlinear")
        for value in (0.0, -0.0, -1.0, np.nan, np.inf, -np.inf)
    },
    "divisor-subnormal": (
        scales("layers.0.self_attn.q_proj", 1e-40),
        {"linear_class": "bitlinear"},
        "layers.0.self_attn.q_proj.weight_scale",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_numbers_without_meaning_are_refused(name: str, engine: Engine, tmp_path: Path) -> None:
    change, form, tensor = REFUSED[name]
    folder = write(tmp_path / "model", change, **form)
    for command in (("inspect",), ("verify",), ("run", "-p", "a")):
        outcome = engine.run(*command, folder)
        assert outcome.status == 3, outcome
        assert tensor in outcome.stderr and " at byte " in outcome.stderr, outcome.stderr


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_embedding_that_is_not_finite(value: float, engine: Engine, tmp_path: Path) -> None:
    """`verify` reads every row and names the byte; a pass ends at the row, whoever reads it."""
    folder = write(tmp_path / "model", embedding(7, value, slice(3, 4)))
    outcome = engine.run("verify", folder)
    assert outcome.status == 3
    assert f"byte {4 * (7 * 96 + 3)}" in outcome.stderr, outcome.stderr
    out = tmp_path / "logits.npy"
    for token, place in ((7, "position 0, layer 0"), (1, "the final norm or head")):
        outcome = engine.run("logits", "--tokens", token, "--out", out, folder)
        assert outcome.status == 1 and place in outcome.stderr, outcome
        assert not out.exists()


def test_masters_that_are_not_finite_are_refused(engine: Engine, tmp_path: Path) -> None:
    def change(weights: Weights) -> None:
        weights.masters["model.layers.0.mlp.up_proj"][5, 6] = np.nan

    folder = write(tmp_path / "model", change, storage="master")
    for command in (("verify",), ("run", "-p", "a")):
        outcome = engine.run(*command, folder)
        assert outcome.status == 3, outcome
        assert "model.layers.0.mlp.up_proj.weight" in outcome.stderr, outcome.stderr
