# SPDX-License-Identifier: Apache-2.0
"""The program against the committed golden values of the reference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import checks
import golden
from engine import Engine
from tiny_models import RECIPES, Recipe

ModelDir = Callable[[Recipe], Path]
INT8 = [name for name, recipe in RECIPES.items() if recipe.int8]


@pytest.mark.parametrize("name", INT8)
def test_with_the_reference_codes_injected(name: str, engine: Engine, model_dir: ModelDir) -> None:
    folder = model_dir(RECIPES[name])
    for sequence in golden.load(name).sequences:
        if not sequence.trace:
            continue
        trace: dict[str, np.ndarray] = {}
        logits = engine.logits(folder, sequence.tokens, inject=sequence.trace, trace=trace)
        assert logits.dtype == np.float32
        checks.assert_same_sums(trace, sequence.trace)
        checks.assert_injected_logits(logits, sequence.logits)


@pytest.mark.parametrize("name", RECIPES)
def test_on_its_own(name: str, engine: Engine, model_dir: ModelDir) -> None:
    folder = model_dir(RECIPES[name])
    for sequence in golden.load(name).sequences:
        trace: dict[str, np.ndarray] | None = {} if sequence.trace else None
        logits = engine.logits(folder, sequence.tokens, trace=trace)
        assert logits.shape == (len(sequence.tokens), RECIPES[name].vocab)
        assert checks.kl_per_token(sequence.logits, logits[sequence.rows]) < checks.MAX_KL
        if not RECIPES[name].int8:  # nothing is rounded that could part
            checks.assert_injected_logits(logits[sequence.rows], sequence.logits)
        if trace is None:
            continue
        if checks.assert_explained_by_rounding(trace, sequence.trace) == 0:
            checks.assert_injected_logits(logits, sequence.logits)


@pytest.mark.parametrize("name", RECIPES)
def test_greedy_text_is_that_of_the_reference(
    name: str, engine: Engine, model_dir: ModelDir
) -> None:
    expected = golden.load(name)
    logits = engine.logits(model_dir(RECIPES[name]), expected.greedy_tokens)
    checks.assert_same_choices(logits, expected)


def test_a_position_does_not_depend_on_later_ones(engine: Engine, model_dir: ModelDir) -> None:
    folder = model_dir(RECIPES["packed-divide"])
    tokens = golden.load("packed-divide").sequences[2].tokens
    whole = engine.logits(folder, tokens)
    for length in (1, 2, 17, 255, 256, 257):
        np.testing.assert_array_equal(engine.logits(folder, tokens[:length]), whole[:length])


@pytest.mark.parametrize("kv", ["f16", "bf16", "int8"])
@pytest.mark.parametrize("name", ["packed-multiply", "gqa-5-1"])
def test_a_smaller_cache_stays_close(
    name: str, kv: str, engine: Engine, model_dir: ModelDir
) -> None:
    sequence = golden.load(name).sequences[1]
    logits = engine.logits(model_dir(RECIPES[name]), sequence.tokens, kv=kv)
    assert checks.kl_per_token(sequence.logits, logits) < 1e-3
