# SPDX-License-Identifier: Apache-2.0
"""The test material itself: recipes give the committed models, and the NumPy oracle agrees with
the golden values. Needs no program."""

from __future__ import annotations

import filecmp
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import checks
import golden
import hf_writer
import numpy_bitnet
import packing
import tiny_models
from tiny_models import RECIPES, Recipe

ModelDir = Callable[[Recipe], Path]
MANIFEST = json.loads((golden.GOLDEN / "manifest.json").read_text())
SELF_TOLERANCE = 2e-6  # of the spread; two float32 passes over the same codes


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_gives_the_weights_the_golden_values_were_made_from(
    name: str, model_dir: ModelDir
) -> None:
    files = sorted(model_dir(RECIPES[name]).glob("*.safetensors"))
    got = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    assert got == {k: v for k, v in MANIFEST["sha256"][name].items() if k.endswith(".safetensors")}


@pytest.mark.parametrize("name", tiny_models.COMMITTED_MODELS)
def test_committed_model_is_what_its_recipe_writes(name: str, model_dir: ModelDir) -> None:
    committed, written = hf_writer.FIXTURES / "models" / name, model_dir(RECIPES[name])
    names = sorted(file.name for file in committed.iterdir())
    assert names == sorted(file.name for file in written.iterdir())
    assert filecmp.cmpfiles(committed, written, names, shallow=False) == (names, [], [])


@pytest.mark.parametrize("name", RECIPES)
def test_oracle_agrees_with_the_reference(name: str, model_dir: ModelDir) -> None:
    model = numpy_bitnet.load_hf(model_dir(RECIPES[name]))
    for sequence in golden.load(name).sequences:
        if not RECIPES[name].int8:
            logits = numpy_bitnet.forward(model, sequence.tokens)[sequence.rows]
            assert np.abs(logits - sequence.logits).max() < SELF_TOLERANCE * golden.spread(logits)
        if not sequence.trace:
            continue
        injected: numpy_bitnet.Trace = {}
        logits = numpy_bitnet.forward(model, sequence.tokens, inject=sequence.trace, trace=injected)
        checks.assert_same_sums(injected, sequence.trace)
        assert np.abs(logits - sequence.logits).max() < SELF_TOLERANCE * golden.spread(logits)
        own: numpy_bitnet.Trace = {}
        free = numpy_bitnet.forward(model, sequence.tokens, trace=own)
        checks.assert_explained_by_rounding(own, sequence.trace)
        assert checks.kl_per_token(sequence.logits, free) < checks.MAX_KL


def test_checks_notice_a_wrong_code() -> None:
    sequence = golden.load("packed-multiply").sequences[1]
    wrong = {name: array.copy() for name, array in sequence.trace.items()}
    site = "layer1.gate_up"
    far = np.abs(wrong[f"{site}.x"][5] % 1 - 0.5).argmax()  # farthest from a rounding boundary
    wrong[f"{site}.q"][5, far] += 1
    assert checks.first_differences(wrong, sequence.trace) == [(site, 5, far)]
    with pytest.raises(AssertionError, match="token 5"):
        checks.assert_explained_by_rounding(wrong, sequence.trace)


def test_first_differences_leave_out_what_follows_from_them() -> None:
    zeros = {
        f"layer{layer}.{site}.q": np.zeros((4, 2), np.int8)
        for layer in range(2)
        for site in numpy_bitnet.SITES
    }
    other = {name: array.copy() for name, array in zeros.items()}
    other["layer0.o.q"][2, 1] = 1  # unexplained
    other["layer0.down.q"][1, 0] = 1  # unexplained: an earlier token
    other["layer1.qkv.q"][1:, :] = 1  # follows from both
    assert checks.first_differences(other, zeros) == [("layer0.o", 2, 1), ("layer0.down", 1, 0)]


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 7, 8, 201])
def test_hugging_face_packing_round_trips(rows: int) -> None:
    trits = np.random.RandomState(rows).randint(-1, 2, size=(rows, 6)).astype(np.int8)
    packed = packing.pack_hf(trits)
    assert packed.shape == ((rows + 3) // 4, 6)
    np.testing.assert_array_equal(packing.unpack_hf(packed, rows), trits)


@pytest.mark.parametrize("layout", packing.I2S_LAYOUTS)
def test_i2s_codes_lie_where_the_description_says(layout: str) -> None:
    rows, cols = 8, 96
    trits = np.random.RandomState(3).randint(-1, 2, size=(rows, cols)).astype(np.int8)
    data = packing.pack_i2s(trits, 0.75, layout)
    assert len(data) == rows * cols // 4 + 32
    assert data[-32:-28].view(np.float32)[0] == 0.75 and not data[-28:].any()
    for row in range(rows):
        for col in range(cols):
            byte, field = _i2s_place(row, col, cols, layout)
            assert (data[byte] >> (6 - 2 * field)) & 3 == trits[row, col] + 1


def _i2s_place(row: int, col: int, cols: int, layout: str) -> tuple[int, int]:
    """Byte and field (0 is the highest bits) of one weight."""
    if layout == "1x4":
        return row // 4 * cols + col, row % 4
    block, lane = int(layout), int(layout) // 4
    element = row * cols + col
    return element // block * lane + element % lane, element % block // lane


def test_embedding_block_formats_round_trip() -> None:
    values = np.random.RandomState(4).standard_normal((3, 256)).astype(np.float32)
    for kind, levels in (("q8_0", 200), ("q6_k", 25), ("q4_0", 7), ("q4_k", 7)):
        data = getattr(packing, f"quantize_{kind}")(values)
        back = getattr(packing, f"dequantize_{kind}")(data)
        assert np.abs(back - values).max() < np.abs(values).max() / levels, kind
