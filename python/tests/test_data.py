# SPDX-License-Identifier: Apache-2.0
"""Texts, tokens and batches."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import fable
from tokenizers import Tokenizer

from rotor.train.data import (
    MIN_DOCUMENT,
    Batches,
    Source,
    documents,
    read_texts,
    reflow,
    tokenize_texts,
)
from rotor.train.tokenizer import BEGIN_OF_TEXT, END_OF_TEXT, END_OF_TURN, train_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer([fable(1, 500)], 306)


def test_reflow_joins_wrapped_paragraphs() -> None:
    assert reflow("\ufeffOne\ntwo.\r\n\r\n\n  Three \nfour.\n") == "One two.\nThree four."


def test_reflow_keeps_long_lines() -> None:
    line = "word " * 100
    assert reflow(f"{line}\n{line}\n\nEnd.") == f"{line.strip()}\n{line.strip()}\nEnd."


def test_documents_begin_at_headings_and_lose_nothing() -> None:
    story = "A line.\n" * (MIN_DOCUMENT // 8 + 1)
    text = f"CONTENTS\nTHE CAT\nTHE DOG\n{story}THE CAT\n{story}THE DOG\n{story}"
    parts = list(documents(text.removesuffix("\n")))
    assert "".join(parts) == text
    assert [part.split("\n")[0] for part in parts] == ["CONTENTS", "THE CAT", "THE DOG"]


def test_a_folder_is_its_texts(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("Second.", encoding="utf-8")
    (tmp_path / "a.txt").write_text("First.", encoding="utf-8")
    (tmp_path / "notes.md").write_text("No.", encoding="utf-8")
    assert list(read_texts([tmp_path])) == ["First.\n", "Second.\n"]


def test_tokenizer_is_exact_and_special_tokens_come_last(tokenizer: Tokenizer) -> None:
    assert tokenizer.get_vocab_size() == 306
    assert tokenizer.token_to_id(BEGIN_OF_TEXT) == 306 - 16
    text = "caf\u00e9 \U0001f98a\t 12345\n\n  it's\u200b \x00"
    ids = tokenizer.encode(text).ids
    assert ids[0] == tokenizer.token_to_id(BEGIN_OF_TEXT)
    assert tokenizer.decode(ids) == text


def test_too_small_a_vocabulary_or_text_is_said() -> None:
    with pytest.raises(ValueError, match="need 272"):
        train_tokenizer(["text"], 260)
    with pytest.raises(ValueError, match="yield only"):
        train_tokenizer(["text"], 4096)


def test_documents_are_set_apart(tokenizer: Tokenizer, tmp_path: Path) -> None:
    count = tokenize_texts(tokenizer, iter(["One.\n", "Two.\n"]), tmp_path / "tokens")
    tokens = Source.open(tmp_path / "tokens", tokenizer).tokens
    begin, end = (tokenizer.token_to_id(token) for token in (BEGIN_OF_TEXT, END_OF_TEXT))
    assert len(tokens) == count
    assert tokens[0] == begin and tokens[-1] == end
    assert np.count_nonzero(tokens == begin) == np.count_nonzero(tokens == end) == 2
    assert tokenizer.decode(tokens.tolist()) == "One.\nTwo.\n"
    assert tokenizer.token_to_id(END_OF_TURN) not in tokens


def test_batches_depend_on_seed_and_step_alone(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenize_texts(tokenizer, iter([fable(1, 300)]), tmp_path / "tokens")
    source = Source.open(tmp_path / "tokens", tokenizer)
    begin = tokenizer.token_to_id(BEGIN_OF_TEXT)
    batches = Batches([source], begin, context=32, seed=5)
    inputs, targets = batches.batch(7, 4, [1.0])
    again = Batches([source], begin, context=32, seed=5).batch(7, 4, [1.0])
    assert torch.equal(inputs, again[0]) and torch.equal(targets, again[1])
    assert not torch.equal(inputs, batches.batch(8, 4, [1.0])[0])
    assert inputs.shape == targets.shape == (4, 32)
    assert (inputs[:, 0] == begin).all()
    assert torch.equal(inputs[:, 1:], targets[:, :-1])


def test_half_the_windows_begin_paragraphs(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenize_texts(tokenizer, iter([fable(1, 300)]), tmp_path / "tokens")
    batches = Batches([Source.open(tmp_path / "tokens", tokenizer)], 0, context=32, seed=1)
    _, targets = batches.batch(0, 1000, [1.0])
    first = tokenizer.decode_batch([[int(i)] for i in targets[:, 0]])
    share = sum(text.startswith(("Once", "A")) for text in first) / 1000
    assert 0.5 < share < 0.7  # half, and those that fall on a beginning by chance


def test_sources_are_mixed_by_weight(tokenizer: Tokenizer, tmp_path: Path) -> None:
    sources = []
    for token in (40, 41):
        np.full(100, token, dtype="<u2").tofile(tmp_path / f"{token}")
        sources.append(Source.open(tmp_path / f"{token}", tokenizer))
    _, targets = Batches(sources, 0, context=8, seed=1).batch(0, 1000, [1.0, 3.0])
    assert (targets[:, 0] == 41).float().mean() == pytest.approx(0.75, abs=0.05)
