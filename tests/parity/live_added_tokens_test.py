# SPDX-License-Identifier: Apache-2.0
"""Tokens that were added to a trained tokenizer although its training had learned them already, as
the tokenizers package writes and encodes them."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from engine import Engine

LEARNED = ["...", "....", "the", "http", "|", "--"]
CORPUS = ["the other... then.... -- http://the.se | there | th\u00e9\u00e2tre -- ...\n"] * 40
PARTS = [
    *LEARNED,
    ".",
    "..",
    " ",
    "a",
    "th",
    "e",
    "\n",
    "\u00e9",
    "the the",
    " the",
    "-",
    "/",
    "\u4ed6",
]


def trained() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=330, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def random_texts(seed: int) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices(PARTS, k=draw.randint(0, 30))) for _ in range(300)]


@pytest.mark.parametrize("special", [False, True])
def test_added_tokens_that_merges_make(special: bool, engine: Engine, tmp_path: Path) -> None:
    tokenizer = trained()
    size = tokenizer.get_vocab_size()
    added = [AddedToken(text, normalized=False, special=special) for text in LEARNED]
    (tokenizer.add_special_tokens if special else tokenizer.add_tokens)(added)
    known = [text for text in LEARNED if tokenizer.token_to_id(text) < size]
    assert len(known) >= 4, f"training learned only {known}"
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    texts = random_texts(7)
    lines = "".join(json.dumps(text) + "\n" for text in texts).encode()
    out = engine.check("tokenize", path, "--jsonl", "--no-bos", "--special", stdin=lines).stdout
    got = [json.loads(line) for line in out.splitlines()]
    for text, ids in zip(texts, got, strict=True):
        assert ids == tokenizer.encode(text, add_special_tokens=False).ids, repr(text)
