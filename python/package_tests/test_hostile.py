# SPDX-License-Identifier: Apache-2.0
"""Wrong types, sizes, values and files: an exception of the right class that says what is wrong."""

import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import rotor
from rotor import _core


def test_wrong_values(model: rotor.Model) -> None:
    for options, word in (
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": math.nan}, "temperature"),
        ({"top_p": 2.0}, "top_p"),
        ({"n": 0}, "answers"),
        ({"stop": [""]}, "stop"),
        ({"beam_width": 1000}, "beam"),
        ({"logit_bias": [(10**6, 1.0)]}, "logit_bias"),
    ):
        with pytest.raises(ValueError, match=word):
            model.generate("Once", **options)


def test_wrong_prompts(model: rotor.Model) -> None:
    for tokens in ([], [-1], [model.vocabulary], [1] * (model.context + 1)):
        with pytest.raises(ValueError):
            model.generate(tokens)
        with pytest.raises(ValueError):
            model.logits(tokens, 1)
    with pytest.raises(ValueError, match=r"rows: expected 1 to 2 \(the tokens\), got 3"):
        model.logits([1, 2], rows=3)
    with pytest.raises(ValueError):
        model.logits([1, 2], rows=0)


def test_wrong_types(model: rotor.Model) -> None:
    for prompt in (None, 1.5, object(), [None], [[1]], {"a": 1}, b"text"):
        if prompt == b"text":
            continue  # a sequence of integers: tokens
        with pytest.raises((TypeError, ValueError)):
            model.generate(prompt, max_new_tokens=1)  # type: ignore[arg-type]
    for options in ({"max_new_tokens": "5"}, {"seed": -1}, {"top_k": 2**40}, {"n": 1.5}):
        with pytest.raises(TypeError):
            model.generate("Once", **options)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        model.logits([2**40])
    with pytest.raises(TypeError):
        rotor.Model.from_pretrained(3)  # type: ignore[arg-type]


def test_text_that_is_no_utf8(model: rotor.Model) -> None:
    with pytest.raises((UnicodeEncodeError, TypeError, RuntimeError)):
        model.generate("\ud800", max_new_tokens=1)


def test_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='kv: expected .* got "f8"'):
        rotor.Model.from_pretrained("stories", kv="f8")
    with pytest.raises(FileNotFoundError, match="stories-chat"):
        rotor.Model.from_pretrained("no-such-model")
    broken = tmp_path / "broken.rotor"
    broken.write_bytes(b"\xff" * 100)
    with pytest.raises((rotor.FormatError, rotor.UnsupportedError), match="broken.rotor"):
        rotor.Model.from_pretrained(broken)
    (tmp_path / "empty").mkdir()
    with pytest.raises((rotor.FormatError, rotor.UnsupportedError, FileNotFoundError)):
        rotor.Model.from_pretrained(tmp_path / "empty")
    with pytest.raises(ValueError, match="context|positions"):
        rotor.Model.from_pretrained("stories", context=1 << 50)


def test_kernels_called_by_anybody() -> None:
    """The functions under the blocks look at their arrays themselves."""
    f = np.float32
    x, three = np.zeros((2, 4), f), np.zeros((2, 2, 4), f)
    sampler = _core.Sampler(rotor.SamplingParams(logit_bias=[(3, -math.inf)]), 4)
    tokens = np.zeros(1, np.int32)
    calls: list[tuple[Callable[[], object], type[Exception]]] = [
        (lambda: _core.rms_norm(x, np.zeros(3, f), 1e-5), ValueError),
        (lambda: _core.rms_norm(x[:, :0].copy(), np.zeros(0, f), 1e-5), ValueError),
        (lambda: _core.rms_norm(x[:, ::2], np.zeros(2, f), 1e-5), TypeError),
        (lambda: _core.quantize(x.astype(float)), TypeError),  # type: ignore[arg-type]
        (lambda: _core.quantize(x[0]), TypeError),
        (lambda: _core.inverse_frequencies(math.nan, 4), ValueError),
        (lambda: _core.inverse_frequencies(1e4, 3), ValueError),
        (lambda: _core.inverse_frequencies(1e4, 1 << 60), ValueError),
        (lambda: _core.rotary(np.full(1, 1 << 30, np.uint32), np.ones(1, f)), ValueError),
        (lambda: _core.rotary(np.zeros(1, np.uint32), np.full(1, math.nan, f)), ValueError),
        (lambda: _core.rope(three, x, x), ValueError),
        (lambda: _core.gated(x, x[:1], "relu2"), ValueError),
        (lambda: _core.gated(x, x, "gelu"), ValueError),
        (lambda: _core.attend(three, three, three, 1, "f16"), ValueError),
        (lambda: _core.attend(three, three, three[:1], 0, "f16"), ValueError),
        (
            lambda: _core.attend(three, three[:, :0].copy(), three[:, :0].copy(), 0, "f32"),
            ValueError,
        ),
        (lambda: _core.attend(three, three, three, 0, "int8"), ValueError),
        (lambda: _core.attend(three, three, three, 1 << 60, "f16"), ValueError),
        (lambda: _core.dot_rows(x, x[:, :3].copy()), ValueError),
        (lambda: _core.pack_trits(np.full((1, 1), 2, np.int8), "i2"), ValueError),
        (lambda: _core.pack_trits(np.zeros((1, 1), np.int8), "i3"), ValueError),
        (lambda: _core.unpack_trits(np.zeros((1, 64), np.uint8), 17, 16, "i2"), ValueError),
        (
            lambda: _core.unpack_trits(np.zeros((1, 64), np.uint8), 1 << 40, 1 << 40, "i2"),
            ValueError,
        ),
        (lambda: sampler.draw(np.zeros(3, f), tokens), ValueError),
        (lambda: sampler.draw(np.full(4, math.nan, f), tokens), FloatingPointError),
        (lambda: sampler.draw(np.array([-math.inf] * 3 + [0], f), tokens), ValueError),
        (lambda: _core.Sampler(rotor.SamplingParams(top_p=2), 4), ValueError),
        (lambda: _core.Sampler(rotor.SamplingParams(logit_bias=[(4, 1.0)]), 4), ValueError),
        (lambda: _core.ModelFile.open("/no/such/file"), FileNotFoundError),
        (lambda: _core.Tokenizer.open("/no/such/file"), FileNotFoundError),
    ]
    for number, (call, error) in enumerate(calls):
        with pytest.raises(error):
            call()
            pytest.fail(f"call {number} went well")
    for empty in (
        _core.quantize(x[:0])[0],
        _core.dot_rows(x, x[:0]),
        _core.gated(x[:0], x[:0], "silu"),
    ):
        assert empty.shape == (0, 4) or empty.shape == (0, 2)
    file = _core.ModelFile.open(rotor.Model.from_pretrained("stories", threads=1).path)
    for read in (lambda: file.trits(6, "q"), lambda: file.scale(0, "x"), lambda: file.norm(0, "x")):
        with pytest.raises(ValueError):
            read()


def test_processes_that_were_forked_compute() -> None:
    """The kernels under the blocks have no threads that a fork leaves behind."""
    x = np.ones((1, 4), np.float32)
    expected = _core.quantize(x)[0]
    if (child := os.fork()) == 0:
        os._exit(0 if (_core.quantize(x)[0] == expected).all() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
