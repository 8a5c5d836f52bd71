# SPDX-License-Identifier: Apache-2.0
"""Overlap of a validation text with training texts, against sets of tuples and by hand."""

import random
from pathlib import Path

import pytest
from test_commands import rotor

from rotor.train.overlap import measure, words_of

COPIED = "Once upon a time a fox saw the moon in a deep well."  # 13 words


def test_words_are_without_case_and_punctuation() -> None:
    assert words_of("'Don\u2019t,' s-said _the_ Caf\u00e9--No. 12!") == [
        *("dont", "s", "said", "the", "caf\u00e9", "no", "12")
    ]


@pytest.mark.parametrize("length", [1, 2, 5])
def test_equals_sets_of_tuples(length: int) -> None:
    choose = random.Random(length)
    texts = [" ".join(choose.choices("abcd", k=200)).replace(" a ", "\n") for _ in range(4)]

    def ngrams(text: str) -> list[tuple[str, ...]]:
        words = text.split()
        return [tuple(words[i : i + length]) for i in range(len(words) - length + 1)]

    seen = {ngram for text in texts[2:] for ngram in ngrams(text)}
    for text, book in zip(texts[:2], measure(texts[:2], texts[2:], length), strict=True):
        shared = [ngram in seen for ngram in ngrams(text)]
        assert book.shared.tolist() == shared
        covered = [
            any(shared[max(0, word - length + 1) : word + 1]) for word in range(len(text.split()))
        ]
        assert book.covered.tolist() == covered


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    first = f"I\nThe Fox\nA story of a fox.\n{COPIED}\nThe end.\n"
    second = f"The Moon\n{COPIED.replace(' moon ', ' sun ')}\nShort.\nAnd then the sea rose.\n"
    (tmp_path / "valid.txt").write_text(f"{first}\n\n{second}", encoding="utf-8")
    (tmp_path / "novels").mkdir()
    wrapped = COPIED.upper().replace(" ", "\r\n").replace("FOX", "'Fox,'")
    (tmp_path / "novels" / "a.txt").write_text(f"Well: {wrapped}", encoding="utf-8")
    (tmp_path / "novels" / "b.txt").write_text("A hare.", encoding="utf-8")
    return tmp_path


def test_the_command_measures_and_leaves_out(texts: Path) -> None:
    written = texts / "filtered.txt"
    arguments = (texts / "valid.txt", texts / "novels", "--show", "3", "--write", written)
    done = rotor("train.overlap", *arguments)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[1] == ["11", "1", "9.091%", "5", "1", "The", "Fox"]
    assert rows[2] == ["9", "0", "0.000%", "4", "0", "The", "Moon"]
    assert rows[3] == ["20", "1", "5.000%", "9", "1", "all"]
    assert done.stdout.count("shared: once upon a time a fox saw the moon in a deep well\n") == 1
    before = (texts / "valid.txt").read_text(encoding="utf-8")
    assert written.read_text(encoding="utf-8") == before.replace(f"{COPIED}\n", "", 1)


def test_a_passage_over_two_paragraphs_takes_both(texts: Path) -> None:
    (texts / "train.txt").write_text("Short and then the sea", encoding="utf-8")
    done = rotor(
        *("train.overlap", texts / "valid.txt", texts / "train.txt", "--length", "5"),
        *("--write", texts / "filtered.txt"),
    )
    assert done.returncode == 0, done.stderr
    filtered = (texts / "filtered.txt").read_text(encoding="utf-8")
    assert "The end." in filtered
    assert "Short." not in filtered and "the sea rose" not in filtered


def test_mistakes_are_said(texts: Path) -> None:
    missing = rotor("train.overlap", texts / "valid.txt", texts / "none.txt")
    assert missing.returncode == 1
    assert "none.txt" in missing.stderr and "Traceback" not in missing.stderr
    short = rotor("train.overlap", texts / "novels" / "b.txt", texts / "novels")
    assert short.returncode == 1
    assert "has 13 words" in short.stderr and "Traceback" not in short.stderr
    assert rotor("train.overlap", texts, texts, "--length", "0").returncode == 1
