# SPDX-License-Identifier: Apache-2.0
"""Wrong types, sizes, values and files: an exception of the right class that says what is wrong."""

import math
from pathlib import Path

import pytest

import rotor


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
