# SPDX-License-Identifier: Apache-2.0
"""A model with a SentencePiece tokenizer, converted to a Hugging Face folder: the sentencepiece library,
transformers and Rotor make the same tokens of a text."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import reference  # before torch computes anything

import pytest
import sentencepiece
from transformers import AutoTokenizer

import hf_writer
import tiny_models
from engine import ROOT, Engine
from sentencepiece_writer import CONTROL, NORMAL, UNIGRAM, UNKNOWN, USER_DEFINED, model_bytes
from tiny_models import RECIPES

assert reference.torch is not None
PARTS = [
    "the", " ", "  ", "\n", "\t", "model", "a", "b", "Once upon", "a time", ".", ",", "1234", "\u00e9",
    "\u65e5\u672c", "\U0001f600", "\u2581", "<", "unk", ">", "word", "ing",
]
SPECIAL = ["<s>", "</s>", "<unk>", "<0x41>"]
RULES = {
    "plain": {"normalization_rule_name": "identity", "remove_extra_whitespaces": False},
    "no prefix": {
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "add_dummy_prefix": False,
    },
}
REFUSED = {
    "unigram": {"model_type": "unigram"} | RULES["plain"],
    "precompiled_charsmap": {"remove_extra_whitespaces": False},
    "remove_extra_whitespaces": {"normalization_rule_name": "identity"},
    "user-defined pieces": {"user_defined_symbols": ["<u>"]} | RULES["plain"],
}


def write_model(folder: Path, **options: object) -> Path:
    """A tiny BitNet folder whose tokenizer is a trained tokenizer.model, as old Llama folders have it."""
    settings = {"model_type": "bpe", "byte_fallback": True, "character_coverage": 0.99}
    settings |= {"vocab_size": 450, "hard_vocab_limit": False, "minloglevel": 2} | options
    folder.mkdir()
    sentencepiece.SentencePieceTrainer.train(
        input=f"{ROOT}/docs/numerics.md", model_prefix=f"{folder}/m", **settings
    )
    recipe = replace(RECIPES["packed-multiply"], name="sentencepiece", vocab=500)
    model = hf_writer.write_model(folder / "hf", recipe, tiny_models.make_weights(recipe))
    (model / "tokenizer.json").unlink()
    (model / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "LlamaTokenizer", "add_bos_token": True})
    )
    shutil.copyfile(folder / "m.model", model / "tokenizer.model")
    return model


def texts(parts: list[str]) -> list[str]:
    draw = random.Random(3)
    fixed = ["", " ", " a", "a ", "\n\nx\ny", "  two  spaces", "caf\u00e9 \u00e9t\u00e9"]
    return fixed + ["".join(draw.choices(parts, k=draw.randint(1, 12))) for _ in range(400)]


def rotor_ids(engine: Engine, model: Path, lines: list[str], *options: str) -> list[list[int]]:
    text = "".join(json.dumps(line) + "\n" for line in lines).encode()
    out = engine.check("tokenize", model, "--jsonl", *options, stdin=text).stdout
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize("rules", RULES)
def test_the_same_tokens(rules: str, engine: Engine, tmp_path: Path) -> None:
    source = write_model(tmp_path / "source", **RULES[rules])
    engine.check("convert", source, tmp_path / "m.rotor")
    engine.check("convert", source, f"{tmp_path}/direct/")
    engine.check("convert", tmp_path / "m.rotor", f"{tmp_path}/through/")
    folders = [tmp_path / "direct", tmp_path / "through"]
    assert (folders[0] / "tokenizer.json").read_bytes() == (folders[1] / "tokenizer.json").read_bytes()
    plain = texts(PARTS)
    library = sentencepiece.SentencePieceProcessor(model_file=str(source / "tokenizer.model"))
    expected = library.encode(plain)
    for model in (source, tmp_path / "m.rotor", *folders):
        assert rotor_ids(engine, model, plain, "--no-bos") == expected, model
    for folder in folders:
        written = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
        assert written.encode(plain) == expected
        tokenizer = AutoTokenizer.from_pretrained(folder)
        for text, ids in zip(plain, expected, strict=True):
            assert tokenizer.encode(text, add_special_tokens=False) == ids, repr(text)
        assert tokenizer.encode("a b") == [library.bos_id(), *library.encode("a b")]
        assert tokenizer.decode(tokenizer.encode("a  b"), skip_special_tokens=True) == "a  b"
    special = texts(PARTS + SPECIAL)
    tokenizer = AutoTokenizer.from_pretrained(folders[0])
    ids = [tokenizer.encode(text) for text in special]
    for model in (source, tmp_path / "m.rotor", folders[0]):
        assert rotor_ids(engine, model, special, "--special") == ids, model


@pytest.mark.parametrize("reason", REFUSED)
def test_what_transformers_would_read_otherwise_is_refused(
    reason: str, engine: Engine, tmp_path: Path
) -> None:
    source = write_model(tmp_path / "source", **REFUSED[reason])
    outcome = engine.run("convert", source, f"{tmp_path}/out/")
    assert outcome.status == 3 and reason in outcome.stderr and ".rotor" in outcome.stderr, outcome
    engine.check("convert", source, tmp_path / "m.rotor")
    plain = texts(PARTS)
    library = sentencepiece.SentencePieceProcessor(model_file=str(source / "tokenizer.model"))
    assert rotor_ids(engine, tmp_path / "m.rotor", plain, "--no-bos") == library.encode(plain)


def test_ties_of_unigram_models(engine: Engine, tmp_path: Path) -> None:
    """Few scores and few letters: nearly every text has paths that are as good but for a rounding.

    Every other model has user-defined pieces, one of them a run of spaces.
    """
    rng = random.Random(4)
    for number in range(20):
        texts = {"".join(rng.choices("abc", k=rng.randint(1, 4))) for _ in range(14)} | set("abc")
        texts |= {"\u2581\u2581", "\u2581\u2581\u2581", "ab", "a\u2581"}
        own = {"\u2581\u2581", "ab"} if number % 2 else set()
        pieces = [("<unk>", UNKNOWN, 0.0), ("<s>", CONTROL, 0.0), ("</s>", CONTROL, 0.0)]
        pieces.append(("\u2581", NORMAL, -1.5))
        for text in sorted(texts):
            score = rng.choice([-1.0, -2.0, -1.1, -0.3, -3.7, -0.1, -2.2])
            pieces.append((text, USER_DEFINED if text in own else NORMAL, score))
        model = tmp_path / f"{number}.model"
        written = model_bytes(pieces, UNIGRAM, byte_fallback=False, dummy_prefix=False)
        model.write_bytes(written)
        processor = sentencepiece.SentencePieceProcessor(model_proto=written)
        lines = ["".join(rng.choices("abc   ", k=rng.randint(1, 60))) for _ in range(200)]
        given = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
        output = engine.check("tokenize", model, "--no-bos", "--jsonl", stdin=given).stdout
        found = [json.loads(line) for line in output.splitlines()]
        assert found == [processor.encode(line) for line in lines], number
