# SPDX-License-Identifier: Apache-2.0
"""Callables that change the logits; vectors and hidden states."""

import gc
import json
import re
import signal
import time
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

import rotor

TEXT = "Once upon a time there was a"
Ids = NDArray[np.int32]
Logits = NDArray[np.float32]


def nothing(tokens: Ids, logits: Logits) -> None:
    """Changes nothing."""


def test_a_processor_sees_the_text_and_the_models_logits(model: rotor.Model) -> None:
    seen: list[tuple[list[int], Logits]] = []

    def look(tokens: Ids, logits: Logits) -> None:
        assert tokens.dtype == np.int32 and logits.dtype == np.float32
        seen.append((tokens.tolist(), logits.copy()))

    prompt = model.tokenizer.encode(TEXT)
    for options in ({"temperature": 0.0}, {"seed": 3}, {"repeat_penalty": 1.2, "seed": 1}):
        seen.clear()
        answer = model.generate(prompt, max_new_tokens=6, logits_processor=look, **options)
        plain = model.generate(prompt, max_new_tokens=6, **options)
        assert answer.answers[0].tokens == plain.answers[0].tokens
        whole = prompt + answer.answers[0].tokens
        assert [tokens for tokens, _ in seen] == [whole[: len(prompt) + i] for i in range(6)]
        np.testing.assert_array_equal(
            np.stack([row for _, row in seen]), model.logits(whole[:-1], 6)
        )


def test_changes_in_place_and_returned(model: rotor.Model) -> None:
    first = model.generate(TEXT, max_new_tokens=1, temperature=0).answers[0].tokens[0]

    def ban(_: Ids, logits: Logits) -> None:
        logits[first] = -np.inf

    def other(_: Ids, logits: Logits) -> Logits:
        result = np.full_like(logits, -np.inf)
        result[5] = 0
        return result

    assert (
        model.generate(TEXT, max_new_tokens=1, logits_processor=ban).answers[0].tokens[0] != first
    )
    for processors in (other, [other], [nothing, other], (ban, other)):
        answer = model.generate(TEXT, max_new_tokens=3, logits_processor=processors)  # type: ignore[arg-type]
        assert answer.answers[0].tokens == [5, 5, 5]
    chunks = list(model.stream(TEXT, max_new_tokens=3, logits_processor=other, n=2))
    assert [chunk.token for chunk in chunks] == [5] * 6
    assert model.chat  # the same options


def test_what_a_processor_raises_comes_out_and_ends_it(model: rotor.Model) -> None:
    def refuse(tokens: Ids, _: Logits) -> None:
        if len(tokens) > 10:
            raise LookupError("enough")

    for call in (
        lambda: model.generate(TEXT, ignore_end=True, logits_processor=refuse),
        lambda: list(model.stream(TEXT, ignore_end=True, logits_processor=refuse)),
    ):
        with pytest.raises(LookupError, match="enough"):
            call()
    assert model.generate(TEXT, max_new_tokens=1).text


def test_what_makes_no_sense(model: rotor.Model) -> None:
    def spoil(value: float, count: int) -> Callable[[Ids, Logits], None]:
        def change(_: Ids, logits: Logits) -> None:
            logits[:count] = value

        return change

    vocabulary = model.vocabulary
    for processor, error in (
        (spoil(np.nan, 1), FloatingPointError),
        (spoil(np.inf, 1), FloatingPointError),
        (spoil(-np.inf, vocabulary), ValueError),
        (lambda *_: np.zeros(3, np.float32), ValueError),
        (lambda *_: "text", ValueError),
        (lambda: None, TypeError),
    ):
        with pytest.raises(error):
            model.generate(TEXT, max_new_tokens=2, logits_processor=processor)  # type: ignore[arg-type]
    for given in (3, ["x"]):
        with pytest.raises(TypeError):
            model.generate(TEXT, max_new_tokens=1, logits_processor=given)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="beam"):
        model.generate(TEXT, max_new_tokens=1, beam_width=2, logits_processor=nothing)


def test_a_model_is_not_used_by_its_own_processor(model: rotor.Model) -> None:
    for use in (
        lambda: model.generate("a", max_new_tokens=1),
        lambda: model.logits([1]),
        lambda: model.embed("a"),
        lambda: model.hidden_states([1]),
    ):
        with pytest.raises(RuntimeError, match="processor"):
            model.generate(TEXT, max_new_tokens=1, logits_processor=lambda *_, use=use: use())
    stream = model.stream(TEXT, ignore_end=True, logits_processor=nothing)
    next(stream)
    with pytest.raises(RuntimeError, match="processor"):
        model.logits([1])
    stream.close()  # type: ignore[attr-defined]
    assert model.logits([1]).shape == (1, model.vocabulary)
    dropped = model.stream(TEXT, ignore_end=True, logits_processor=nothing)
    next(dropped)
    del dropped
    gc.collect()
    assert model.generate(TEXT, max_new_tokens=1).text


def test_an_interrupt_ends_a_processor(model: rotor.Model) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            model.generate(TEXT, logits_processor=lambda *_: time.sleep(20))
        assert time.monotonic() - start < 5
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_vectors_are_the_programs(model: rotor.Model, program: Callable[..., str]) -> None:
    texts = ["The miller's sons", "a", "Zw\u00f6lf \u00c4pfel"]
    for normalize in (True, False):
        options = ["--json", "-q", *(() if normalize else ("--no-normalize",))]
        expected = json.loads(
            program("embed", model.path, *options, "-p", texts[0], "-p", texts[1])
        )
        found = model.embed(texts, normalize=normalize)
        assert found.shape == (3, model.hidden_size) and found.dtype == np.float32
        np.testing.assert_array_equal(found[:2], np.array(expected, np.float32))
        np.testing.assert_array_equal(model.embed(texts[2], normalize=normalize), found[2:])
    np.testing.assert_allclose(np.linalg.norm(model.embed(texts), axis=1), 1, rtol=1e-6)
    assert model.embed([]).shape == (0, model.hidden_size)
    with pytest.raises(ValueError, match="tokens"):
        model.embed("once upon " * 2000)
    with pytest.raises(TypeError):
        model.embed([3])  # type: ignore[list-item]


def test_hidden_states_are_what_the_head_multiplies(model: rotor.Model) -> None:
    tokens = model.tokenizer.encode(TEXT * 30)
    hidden = model.hidden_states(tokens)
    assert hidden.shape == (len(tokens), model.hidden_size) and hidden.dtype == np.float32
    np.testing.assert_array_equal(model.embed(TEXT * 30, normalize=False)[0], hidden[-1])
    assert np.from_dlpack(hidden).ctypes.data == hidden.ctypes.data
    with pytest.raises(ValueError):
        model.hidden_states([])
    with pytest.raises(ValueError):
        model.hidden_states([model.vocabulary])


def test_sampling_fields_carry_the_names_of_options(program: Callable[..., str]) -> None:
    text = program("run", "--help")
    names = set(re.findall(r"--([a-z-]+)", text))
    fields = [name for name in dir(rotor.SamplingParams) if not name.startswith("_")]
    assert len(fields) == 11
    assert {field.replace("_", "-") for field in fields} <= names
    params = rotor.SamplingParams(logit_bias=[(3, 1.5)])
    assert params.logit_bias == [(3, 1.5)]
    params.logit_bias = []
    assert params.logit_bias == []
