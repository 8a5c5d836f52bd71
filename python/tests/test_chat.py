# SPDX-License-Identifier: Apache-2.0
"""Conversations as tokens: what the template renders, and only answers to be learned."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import fable, make_trainer
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from rotor.train.chat import (
    CHAT_TEMPLATE,
    ChatSource,
    encode_conversation,
    read_conversations,
    tokenize_conversations,
)
from rotor.train.config import SourceConfig, TrainConfig
from rotor.train.data import UNLEARNED, Batches
from rotor.train.export import export
from rotor.train.tokenizer import train_tokenizer

MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "  Who ate the hare? "},
    {"role": "assistant", "content": "The fox.\n\nOr the wolf."},
    {"role": "user", "content": "<|eot_id|> is text"},
    {"role": "assistant", "content": "(Yes)"},
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer([fable(1, 500)], 306)


def write(path: Path, conversations: list[list[dict[str, str]]]) -> Path:
    lines = [json.dumps({"messages": messages}) for messages in conversations]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_tokens_are_those_of_the_template(tokenizer: Tokenizer) -> None:
    plain = [message for message in MESSAGES if "<|" not in message["content"]]
    template = ImmutableSandboxedEnvironment().from_string(CHAT_TEMPLATE)
    text = template.render(messages=plain, bos_token="<|begin_of_text|>")
    ids, _ = encode_conversation(tokenizer, plain)
    assert ids == tokenizer.encode(text, add_special_tokens=False).ids


def test_only_answers_and_their_ends_are_learned(tokenizer: Tokenizer) -> None:
    ids, learned = encode_conversation(tokenizer, MESSAGES)
    text = tokenizer.decode(
        [token for token, mark in zip(ids, learned, strict=True) if mark], skip_special_tokens=False
    )
    assert text == "The fox.\n\nOr the wolf.<|eot_id|>(Yes)<|eot_id|>"


def test_special_tokens_in_a_message_are_text(tokenizer: Tokenizer) -> None:
    ids, _ = encode_conversation(tokenizer, MESSAGES)
    assert ids.count(tokenizer.token_to_id("<|eot_id|>")) == len(MESSAGES)
    # The tokenizer is left as it was.
    assert len(tokenizer.encode("<|eot_id|>", add_special_tokens=False).ids) == 1


@pytest.mark.parametrize(
    "line",
    [
        "no JSON",
        "[]",
        '{"messages": [{"role": "assistant"}]}',
        '{"messages": [{"role": "robot", "content": "x"}]}',
        '{"messages": [{"role": "assistant", "content": 3}]}',
        '{"messages": [{"role": "user", "content": "never answered"}]}',
    ],
)
def test_a_line_that_is_no_conversation_is_named(line: str, tmp_path: Path) -> None:
    path = write(tmp_path / "c.jsonl", [MESSAGES])
    with path.open("a", encoding="utf-8") as out:
        out.write(line + "\n")
    with pytest.raises(ValueError, match=r"c\.jsonl:2: "):
        list(read_conversations(path))


def test_sequences_begin_with_a_conversation(tokenizer: Tokenizer, tmp_path: Path) -> None:
    late = [{"role": "user", "content": "x " * 100}, {"role": "assistant", "content": "Late."}]
    path = write(tmp_path / "c.jsonl", [MESSAGES, late, MESSAGES[1:3]])
    tokens, learned = tmp_path / "tokens", tmp_path / "learned"
    count = tokenize_conversations(tokenizer, path, tokens, learned)
    source = ChatSource.open(tokens, learned, tokenizer, context=64)
    assert count == len(source.tokens) == len(source.learned)
    assert len(source.starts) == 2, "the answer of the second comes too late to be learned"
    begin = tokenizer.token_to_id("<|begin_of_text|>")
    inputs, targets = Batches([source], begin, 64, seed=3).batch(0, 50, [1.0])
    headers = {int(row[1]) for row in inputs}
    assert (inputs[:, 0] == begin).all()
    assert headers == {tokenizer.token_to_id("<|start_header_id|>")}
    marked = targets != UNLEARNED
    assert marked.any(dim=1).all()
    np.testing.assert_array_equal(targets[:, :-1][marked[:, :-1]], inputs[:, 1:][marked[:, :-1]])


def test_no_answer_in_reach_is_an_error(tokenizer: Tokenizer, tmp_path: Path) -> None:
    path = write(tmp_path / "c.jsonl", [MESSAGES])
    tokens, learned = tmp_path / "tokens", tmp_path / "learned"
    tokenize_conversations(tokenizer, path, tokens, learned)
    with pytest.raises(ValueError, match="no answer begins within 4 tokens"):
        ChatSource.open(tokens, learned, tokenizer, context=4)


def test_a_run_goes_on_from_another_with_conversations(
    texts: Path, recipe: TrainConfig, tmp_path: Path
) -> None:
    base = make_trainer(recipe.with_steps(12, 12), texts, tmp_path / "base")
    base.train(log_every=1, eval_every=10, save_minutes=9)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "valid.txt").write_text(fable(2, 20), encoding="utf-8")
    write(tmp_path / "data" / "c.jsonl", [MESSAGES, MESSAGES[1:3]])
    chat = TrainConfig(
        sources=(SourceConfig("c.jsonl"),),
        valid="valid.txt",
        model=recipe.model,
        schedule=recipe.with_steps(12, 10).schedule,
        sequences=4,
        sequences_at_once=4,
    )
    trainer = make_trainer(chat, tmp_path / "data", tmp_path / "chat", start=tmp_path / "base")
    for name, weight in trainer.model.state_dict().items():
        assert torch.equal(weight, base.model.state_dict()[name]), name
    first = trainer.train_step()
    for _ in range(11):
        last = trainer.train_step()
    assert last < first
    trainer.save()
    export(tmp_path / "chat", tmp_path / "model", torch.bfloat16, masters=False)
    written = json.loads((tmp_path / "model" / "tokenizer_config.json").read_text("utf-8"))
    assert written["chat_template"] == CHAT_TEMPLATE
