# SPDX-License-Identifier: Apache-2.0
"""What people write first: open, generate, stream, chat, logits."""

import asyncio
import math
from collections.abc import Callable

import numpy as np
import pytest

import rotor

TEXT = "Once upon a time there was a"


def test_the_text_is_the_programs(model: rotor.Model, program: Callable[..., str]) -> None:
    text = str(model.generate(TEXT, max_new_tokens=32, temperature=0))
    assert text and text in program("run", "-p", TEXT, "-n", 32, "--temp", 0)
    drawn = model.generate(TEXT, max_new_tokens=32, seed=5).text
    assert drawn in program("run", "-p", TEXT, "-n", 32, "--seed", 5)


def test_a_stream_is_the_answer_in_pieces(model: rotor.Model) -> None:
    options: rotor.Options = {"max_new_tokens": 24, "seed": 3, "logprobs": True}
    whole = model.generate(TEXT, **options).answers[0]
    chunks = list(model.stream(TEXT, **options))
    assert "".join(chunk.text for chunk in chunks) == whole.text
    assert [chunk.token for chunk in chunks if chunk.token is not None] == whole.tokens
    assert [chunk.logprob for chunk in chunks] == whole.logprobs
    assert [chunk.finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].finish_reason == whole.finish_reason == "length"


def test_params_or_options(model: rotor.Model) -> None:
    params = rotor.SamplingParams(temperature=0.9, top_k=0, seed=8)
    one = model.generate(TEXT, params, max_new_tokens=12)
    other = model.generate(TEXT, max_new_tokens=12, temperature=0.9, top_k=0, seed=8)
    assert one.answers[0].tokens == other.answers[0].tokens
    assert one.answers[0].logprobs is None
    with pytest.raises(TypeError, match="seed"):
        model.generate(TEXT, params, seed=1)
    with pytest.raises(TypeError, match="no_such_option"):
        model.generate(TEXT, no_such_option=1)  # type: ignore[call-arg]


def test_defaults_are_those_of_the_program() -> None:
    params = rotor.SamplingParams()
    assert (params.top_k, params.repeat_last_n, params.seed) == (40, 64, 0)
    assert np.float32(params.temperature) == np.float32(0.8)


def test_several_answers(model: rotor.Model) -> None:
    result = model.generate(TEXT, n=3, max_new_tokens=10, seed=1)
    assert len({tuple(answer.tokens) for answer in result.answers}) == 3
    alone = model.generate(TEXT, max_new_tokens=10, seed=1)
    assert alone.answers[0].tokens == result.answers[0].tokens
    beams = model.generate(TEXT, beam_width=2, n=2, max_new_tokens=6)
    assert beams.answers[0].score >= beams.answers[1].score


def test_stop_strings_and_bans(model: rotor.Model) -> None:
    free = model.generate(TEXT, max_new_tokens=30, temperature=0)
    word = free.text.split()[3]
    stopped = model.generate(TEXT, max_new_tokens=30, temperature=0, stop=word).answers[0]
    assert stopped.finish_reason == "stop"
    assert stopped.text == free.text[: free.text.index(word)]
    first = free.answers[0].tokens[0]
    banned = model.generate(TEXT, max_new_tokens=1, temperature=0, logit_bias=[(first, -math.inf)])
    assert banned.answers[0].tokens[0] != first


def test_closing_a_stream_ends_the_generation(model: rotor.Model) -> None:
    stream = model.stream(TEXT, ignore_end=True)
    assert next(stream).text is not None
    stream.close()  # type: ignore[attr-defined]
    assert model.generate(TEXT, max_new_tokens=1).answers[0].finish_reason == "length"


def test_astream(model: rotor.Model) -> None:
    async def collect() -> str:
        return "".join([c.text async for c in model.astream(TEXT, max_new_tokens=8, seed=2)])

    assert asyncio.run(collect()) == model.generate(TEXT, max_new_tokens=8, seed=2).text


def test_chat(chat_model: rotor.Model) -> None:
    answer = chat_model.chat([{"role": "user", "content": "Hello!"}], temperature=0)
    assert answer["object"] == "chat.completion"
    (choice,) = answer["choices"]
    assert choice["message"]["role"] == "assistant" and choice["message"]["content"]
    assert choice["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens"] > 0
    with pytest.raises(KeyError):
        chat_model.chat([{"role": "user"}])


def test_a_model_without_a_template_says_so(model: rotor.Model) -> None:
    with pytest.raises(rotor.UnsupportedError, match="template"):
        model.chat([{"role": "user", "content": "Hello!"}])


def test_text_never_becomes_a_special_token(chat_model: rotor.Model) -> None:
    tokens = chat_model.tokenizer.apply_chat_template([{"role": "user", "content": "Hi<|eot_id|>"}])
    plain = chat_model.tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}])
    ends = [token for token in plain if token not in chat_model.tokenizer.encode("Hi")]
    assert sum(tokens.count(token) for token in set(ends)) == len(ends)


def test_tokenizer(model: rotor.Model) -> None:
    text = "The miller's daughter, na\u00efve as ever \u2014 \U0001f600"
    assert model.tokenizer.decode(model.tokenizer.encode(text)) == text
    assert model.tokenizer.decode([]) == ""
    with pytest.raises(ValueError):
        model.tokenizer.decode([model.vocabulary])


def test_logits_choose_the_greedy_tokens(model: rotor.Model) -> None:
    prompt = model.tokenizer.encode(TEXT)
    tokens = model.generate(prompt, max_new_tokens=6, temperature=0).answers[0].tokens
    logits = model.logits(prompt + tokens[:-1], rows=6)
    assert logits.shape == (6, model.vocabulary) and logits.dtype == np.float32
    assert logits.argmax(axis=1).tolist() == tokens
    np.testing.assert_array_equal(model.logits(prompt + tokens[:-1])[-6:], logits)
    logits[:] = 0  # the array owns its memory


def test_arrays_of_tokens(model: rotor.Model) -> None:
    prompt = np.array(model.tokenizer.encode(TEXT))
    result = model.generate(prompt, max_new_tokens=3, temperature=0)  # type: ignore[arg-type]
    assert result.text == model.generate(TEXT, max_new_tokens=3, temperature=0).text
